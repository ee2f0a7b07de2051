"""Create, Describe, Delete and List models."""

from collections.abc import Mapping
from typing import Any

from penstock_local.sagemaker.listing import Listing, list_records
from penstock_local.sagemaker.operations.context import Context, Operation, read_tags
from penstock_local.sagemaker.records import Answer, Model, Request
from penstock_local.sagemaker.wire import not_simulated, refuse


def create_model(context: Context, request: Request) -> Answer:
    """Register a model; its artefact is read when an endpoint starts it, as on AWS."""
    name = request["ModelName"]
    arn = context.arns.of("model", name)
    if context.tables.models.get(name) is not None:
        raise refuse(f'Cannot create already existing model "{arn}".')
    _check(context, request)
    kept = {key: value for key, value in request.items() if key != "Tags"}
    context.tables.models.put(
        Model(name=name, arn=arn, request=kept, created_at=context.clock(), tags=read_tags(request))
    )
    return {"ModelArn": arn}


def describe_model(context: Context, request: Request) -> Answer:
    model = _find(context, request)
    return {**model.request, "ModelArn": model.arn, "CreationTime": model.created_at}


def delete_model(context: Context, request: Request) -> None:
    """Forget the model; endpoints that serve it go on."""
    context.tables.models.delete(_find(context, request).name)


def list_models(context: Context, request: Request) -> Answer:
    return list_records(_LISTING, context.tables.models.all(), request)


def _find(context: Context, request: Request) -> Model:
    name = request["ModelName"]
    model = context.tables.models.get(name)
    if model is None:
        raise refuse(f'Could not find model "{context.arns.of("model", name)}".')
    return model


def _check(context: Context, request: Request) -> None:
    containers = [request["PrimaryContainer"]] if "PrimaryContainer" in request else []
    containers += request.get("Containers", [])
    if not containers:
        raise refuse("Either PrimaryContainer or Containers must be given.")
    if len(containers) > 1:
        raise not_simulated("models of several containers (inference pipelines)")
    _check_container(context, containers[0])


def _check_container(context: Context, container: Mapping[str, Any]) -> None:
    if "Image" not in container:
        raise not_simulated("containers without an Image (model packages)")
    if container.get("Mode") == "MultiModel":
        raise not_simulated("multi-model containers")
    if "AdditionalModelDataSources" in container:
        raise not_simulated("AdditionalModelDataSources")
    if "ModelDataUrl" in container and "ModelDataSource" in container:
        raise refuse("ModelDataUrl and ModelDataSource exclude each other.")
    program = context.images.find(container["Image"])
    if program is None or program.serve is None:
        raise refuse(f"Cannot find an image that can serve: {container['Image']}.")


def _summarise(model: Model) -> Answer:
    return {"ModelName": model.name, "ModelArn": model.arn, "CreationTime": model.created_at}


_LISTING: Listing[Model] = Listing(answer_key="Models", summarise=_summarise, descending=True)

OPERATIONS: Mapping[str, Operation] = {
    "CreateModel": create_model,
    "DescribeModel": describe_model,
    "DeleteModel": delete_model,
    "ListModels": list_models,
}
