"""Create, Describe, Delete and List endpoint configurations."""

from collections.abc import Mapping
from typing import Any

from penstock_local.sagemaker.listing import Listing, list_records
from penstock_local.sagemaker.operations.context import Context, Operation, read_tags
from penstock_local.sagemaker.records import Answer, EndpointConfig, Request
from penstock_local.sagemaker.wire import not_simulated, refuse

_NOT_SIMULATED = ("AsyncInferenceConfig", "ExplainerConfig", "ShadowProductionVariants")


def create_endpoint_config(context: Context, request: Request) -> Answer:
    """Register a configuration whose models exist."""
    name = request["EndpointConfigName"]
    arn = context.arns.of("endpoint-config", name)
    if context.tables.configs.get(name) is not None:
        raise refuse(f'Cannot create already existing endpoint configuration "{arn}".')
    _check(context, request)
    kept = {key: value for key, value in request.items() if key != "Tags"}
    context.tables.configs.put(
        EndpointConfig(
            name=name, arn=arn, request=kept, created_at=context.clock(), tags=read_tags(request)
        )
    )
    return {"EndpointConfigArn": arn}


def describe_endpoint_config(context: Context, request: Request) -> Answer:
    config = find_config(context, request["EndpointConfigName"])
    return {
        **config.request,
        "EndpointConfigArn": config.arn,
        "CreationTime": config.created_at,
    }


def delete_endpoint_config(context: Context, request: Request) -> None:
    """Forget the configuration; endpoints that run on it go on."""
    context.tables.configs.delete(find_config(context, request["EndpointConfigName"]).name)


def list_endpoint_configs(context: Context, request: Request) -> Answer:
    return list_records(_LISTING, context.tables.configs.all(), request)


def find_config(context: Context, name: str) -> EndpointConfig:
    """Return a configuration, or refuse as AWS does."""
    config = context.tables.configs.get(name)
    if config is None:
        arn = context.arns.of("endpoint-config", name)
        raise refuse(f'Could not find endpoint configuration "{arn}".')
    return config


def _check(context: Context, request: Request) -> None:
    for member in _NOT_SIMULATED:
        if member in request:
            raise not_simulated(member)
    variants = request["ProductionVariants"]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) < len(names):
        raise refuse("Variant names must be unique.")
    for variant in variants:
        _check_variant(context, variant)


def _check_variant(context: Context, variant: Mapping[str, Any]) -> None:
    if "ModelName" not in variant:
        raise not_simulated("variants without a ModelName (inference components)")
    model = variant["ModelName"]
    if context.tables.models.get(model) is None:
        raise refuse(f'Could not find model "{context.arns.of("model", model)}".')
    on_instances = "InstanceType" in variant and "InitialInstanceCount" in variant
    if on_instances == ("ServerlessConfig" in variant):
        raise refuse(
            f"Variant {variant['VariantName']} needs InstanceType and InitialInstanceCount, "
            "or ServerlessConfig."
        )


def _summarise(config: EndpointConfig) -> Answer:
    return {
        "EndpointConfigName": config.name,
        "EndpointConfigArn": config.arn,
        "CreationTime": config.created_at,
    }


_LISTING: Listing[EndpointConfig] = Listing(
    answer_key="EndpointConfigs", summarise=_summarise, descending=True
)

OPERATIONS: Mapping[str, Operation] = {
    "CreateEndpointConfig": create_endpoint_config,
    "DescribeEndpointConfig": describe_endpoint_config,
    "DeleteEndpointConfig": delete_endpoint_config,
    "ListEndpointConfigs": list_endpoint_configs,
}
