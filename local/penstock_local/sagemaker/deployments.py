"""From an endpoint configuration to a deployment: pure."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from penstock_local.sagemaker.records import (
    Answer,
    Deployment,
    Endpoint,
    EndpointConfig,
    EndpointStatus,
    Model,
    VariantPlan,
)

_DEFAULT_WEIGHT = 1.0


def plan_deployment(
    config: EndpointConfig, models: Mapping[str, Model], *, deployment_id: str, at: float
) -> Deployment:
    """Freeze a configuration and the models it names."""
    return Deployment(
        id=deployment_id,
        config_name=config.name,
        created_at=at,
        variants=tuple(
            _plan_variant(variant, models[variant["ModelName"]])
            for variant in config.request["ProductionVariants"]
        ),
        data_capture=config.request.get("DataCaptureConfig"),
    )


def retain_properties(
    planned: Deployment, current: Deployment, *, excluded: Collection[str]
) -> Deployment:
    """RetainAllVariantProperties: live weights, counts and capture win over the configuration's."""
    live = {plan.name: plan for plan in current.variants}
    variants = tuple(
        _retain(plan, live[plan.name], excluded) if plan.name in live else plan
        for plan in planned.variants
    )
    capture = planned.data_capture if "DataCaptureConfig" in excluded else current.data_capture
    return replace(planned, variants=variants, data_capture=capture)


def reweigh(current: Deployment, desired: Mapping[str, Mapping[str, Any]]) -> Deployment:
    """UpdateEndpointWeightsAndCapacities: change only what is named."""
    variants = tuple(_reweigh(plan, desired.get(plan.name, {})) for plan in current.variants)
    return replace(current, variants=variants)


def describe_endpoint(endpoint: Endpoint) -> Answer:
    """DescribeEndpoint's view."""
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointConfigName": endpoint.config_name,
        "EndpointStatus": endpoint.status.value,
        "FailureReason": endpoint.failure_reason,
        "CreationTime": endpoint.created_at,
        "LastModifiedTime": endpoint.modified_at,
        "LastDeploymentConfig": endpoint.deployment_config,
        "ProductionVariants": _variants(endpoint.current),
        "DataCaptureConfig": _data_capture(endpoint.current),
        "PendingDeploymentSummary": _pending(endpoint),
    }


def _plan_variant(variant: Mapping[str, Any], model: Model) -> VariantPlan:
    container = _container_of(model)
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    return VariantPlan(
        name=variant["VariantName"],
        model=model.name,
        image=container["Image"],
        model_url=container.get("ModelDataUrl") or source.get("S3Uri"),
        model_is_prefix=source.get("CompressionType") == "None",
        environment=dict(container.get("Environment", {})),
        weight=variant.get("InitialVariantWeight", _DEFAULT_WEIGHT),
        instance_count=variant.get("InitialInstanceCount"),
        serverless=variant.get("ServerlessConfig"),
        startup_timeout_seconds=variant.get("ContainerStartupHealthCheckTimeoutInSeconds"),
    )


def _container_of(model: Model) -> Mapping[str, Any]:
    container: Mapping[str, Any] = (
        model.request.get("PrimaryContainer") or (model.request["Containers"][0])
    )
    return container


def _retain(plan: VariantPlan, live: VariantPlan, excluded: Collection[str]) -> VariantPlan:
    if "DesiredWeight" not in excluded:
        plan = replace(plan, weight=live.weight)
    if "DesiredInstanceCount" not in excluded:
        plan = replace(plan, instance_count=live.instance_count, serverless=live.serverless)
    return plan


def _reweigh(plan: VariantPlan, desired: Mapping[str, Any]) -> VariantPlan:
    serverless = plan.serverless
    if update := desired.get("ServerlessUpdateConfig"):
        serverless = {**(serverless or {}), **update}
    return replace(
        plan,
        weight=desired.get("DesiredWeight", plan.weight),
        instance_count=desired.get("DesiredInstanceCount", plan.instance_count),
        serverless=serverless,
    )


def _variants(deployment: Deployment | None) -> list[Answer] | None:
    if deployment is None:
        return None
    return [_variant(plan, deployment) for plan in deployment.variants]


def _variant(plan: VariantPlan, deployment: Deployment) -> Answer:
    image = {
        "SpecifiedImage": plan.image,
        "ResolvedImage": plan.image,
        "ResolutionTime": deployment.created_at,
    }
    return {
        "VariantName": plan.name,
        "DeployedImages": [image],
        "CurrentWeight": plan.weight,
        "DesiredWeight": plan.weight,
        "CurrentInstanceCount": plan.instance_count,
        "DesiredInstanceCount": plan.instance_count,
        "CurrentServerlessConfig": plan.serverless,
        "DesiredServerlessConfig": plan.serverless,
    }


def _data_capture(deployment: Deployment | None) -> Answer | None:
    if deployment is None or deployment.data_capture is None:
        return None
    asked = deployment.data_capture
    return {
        "EnableCapture": asked.get("EnableCapture", False),
        "CaptureStatus": "Stopped",  # kept, not executed
        "CurrentSamplingPercentage": asked["InitialSamplingPercentage"],
        "DestinationS3Uri": asked["DestinationS3Uri"],
        "KmsKeyId": asked.get("KmsKeyId", ""),
    }


def _pending(endpoint: Endpoint) -> Answer | None:
    if endpoint.pending is None or endpoint.status not in {
        EndpointStatus.CREATING,
        EndpointStatus.UPDATING,
    }:
        return None
    return {
        "EndpointConfigName": endpoint.pending.config_name,
        "ProductionVariants": _variants(endpoint.pending),
        "StartTime": endpoint.pending.created_at,
    }
