"""Create, Describe, List, Update, reweigh and Delete endpoints."""

from collections.abc import Mapping
from dataclasses import replace

from penstock_local.sagemaker.deployments import (
    describe_endpoint,
    plan_deployment,
    retain_properties,
    reweigh,
)
from penstock_local.sagemaker.listing import Listing, list_records
from penstock_local.sagemaker.operations.context import Context, Operation, read_tags
from penstock_local.sagemaker.operations.endpoint_configs import find_config
from penstock_local.sagemaker.records import (
    Answer,
    Deployment,
    Endpoint,
    EndpointStatus,
    Model,
    Request,
)
from penstock_local.sagemaker.wire import refuse

_MAY_BE_DELETED = {
    EndpointStatus.IN_SERVICE,
    EndpointStatus.FAILED,
    EndpointStatus.OUT_OF_SERVICE,
    EndpointStatus.UPDATE_ROLLBACK_FAILED,
}


def create_endpoint(context: Context, request: Request) -> Answer:
    """Accept the endpoint and start its variants."""
    name = request["EndpointName"]
    arn = context.arns.of("endpoint", name)
    if context.tables.endpoints.get(name) is not None:
        raise refuse(f'Cannot create already existing endpoint "{arn}".')
    now = context.clock()
    pending = _plan(context, request["EndpointConfigName"])
    endpoint = Endpoint(
        name=name,
        arn=arn,
        config_name=pending.config_name,
        status=EndpointStatus.CREATING,
        created_at=now,
        modified_at=now,
        pending=pending,
        deployment_config=request.get("DeploymentConfig"),
        tags=read_tags(request),
    )
    context.hosting.create(endpoint)
    return {"EndpointArn": arn}


def describe(context: Context, request: Request) -> Answer:
    return describe_endpoint(_find(context, request))


def list_endpoints(context: Context, request: Request) -> Answer:
    return list_records(_LISTING, context.tables.endpoints.all(), request)


def update_endpoint(context: Context, request: Request) -> Answer:
    """Accept another configuration; the old one serves until all of the new one does."""
    endpoint, current = _in_service(context, request)
    pending = _plan(context, request["EndpointConfigName"])
    if request.get("RetainAllVariantProperties", False):
        properties = request.get("ExcludeRetainedVariantProperties", [])
        excluded = {entry["VariantPropertyType"] for entry in properties}
        pending = retain_properties(pending, current, excluded=excluded)
    deployment_config = request.get("DeploymentConfig")
    if deployment_config is None and request.get("RetainDeploymentConfig", False):
        deployment_config = endpoint.deployment_config
    context.hosting.update(
        replace(
            endpoint,
            status=EndpointStatus.UPDATING,
            modified_at=context.clock(),
            pending=pending,
            deployment_config=deployment_config,
        )
    )
    return {"EndpointArn": endpoint.arn}


def update_weights_and_capacities(context: Context, request: Request) -> Answer:
    """Change weights and counts of the variants that are named; the others keep theirs."""
    endpoint, current = _in_service(context, request)
    desired = {entry["VariantName"]: entry for entry in request["DesiredWeightsAndCapacities"]}
    unknown = desired.keys() - {plan.name for plan in current.variants}
    if unknown:
        raise refuse(f"Could not find variants {sorted(unknown)} of endpoint {endpoint.name}.")
    context.hosting.reweigh(
        replace(
            endpoint,
            status=EndpointStatus.UPDATING,
            modified_at=context.clock(),
            current=reweigh(current, desired),
        )
    )
    return {"EndpointArn": endpoint.arn}


def delete_endpoint(context: Context, request: Request) -> None:
    endpoint = _find(context, request)
    if endpoint.status not in _MAY_BE_DELETED:
        raise refuse(f'Cannot update in-progress endpoint "{endpoint.arn}".')
    context.hosting.delete(endpoint)


def _find(context: Context, request: Request) -> Endpoint:
    name = request["EndpointName"]
    endpoint = context.tables.endpoints.get(name)
    if endpoint is None:
        raise refuse(f'Could not find endpoint "{context.arns.of("endpoint", name)}".')
    return endpoint


def _in_service(context: Context, request: Request) -> tuple[Endpoint, Deployment]:
    endpoint = _find(context, request)
    if endpoint.status is EndpointStatus.FAILED:
        raise refuse(f'Cannot update failed endpoint "{endpoint.arn}": delete it.')
    if endpoint.status is not EndpointStatus.IN_SERVICE or endpoint.current is None:
        raise refuse(f'Cannot update in-progress endpoint "{endpoint.arn}".')
    return endpoint, endpoint.current


def _plan(context: Context, config_name: str) -> Deployment:
    config = find_config(context, config_name)
    models: dict[str, Model] = {}
    for variant in config.request["ProductionVariants"]:
        name = variant["ModelName"]
        model = context.tables.models.get(name)
        if model is None:  # deleted since the configuration was made
            raise refuse(f'Could not find model "{context.arns.of("model", name)}".')
        models[name] = model
    return plan_deployment(config, models, deployment_id=context.new_id(), at=context.clock())


def _summarise(endpoint: Endpoint) -> Answer:
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "CreationTime": endpoint.created_at,
        "LastModifiedTime": endpoint.modified_at,
        "EndpointStatus": endpoint.status.value,
    }


_LISTING: Listing[Endpoint] = Listing(
    answer_key="Endpoints",
    summarise=_summarise,
    descending=True,
    status=lambda endpoint: endpoint.status.value,
    modified_at=lambda endpoint: endpoint.modified_at,
)

OPERATIONS: Mapping[str, Operation] = {
    "CreateEndpoint": create_endpoint,
    "DescribeEndpoint": describe,
    "ListEndpoints": list_endpoints,
    "UpdateEndpoint": update_endpoint,
    "UpdateEndpointWeightsAndCapacities": update_weights_and_capacities,
    "DeleteEndpoint": delete_endpoint,
}
