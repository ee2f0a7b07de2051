"""What CloudWatch measures of a deployment, as plain data: one metric, or sums over several."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from penstock.metrics import BY_NAME, SERVICE_DIMENSION, MetricName, cloudwatch_namespace
from penstock.resources import physical_name

Statistic = Literal["Sum", "Average", "Minimum", "Maximum", "SampleCount"]
MINUTE = 60
_OVER_VARIANTS = (
    'SELECT {function}({name}) FROM SCHEMA("AWS/SageMaker", EndpointName, VariantName)'
    " WHERE EndpointName = '{endpoint}'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One metric with its statistic over `seconds`."""

    namespace: str
    name: str
    dimensions: Mapping[str, Any]
    """By name; a value may be a token of CDK."""
    statistic: Statistic
    seconds: int = MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """An expression of CloudWatch over measures by their ids, or a query of Metrics Insights."""

    expression: str
    of: Mapping[str, Measure] = field(default_factory=dict)
    seconds: int = MINUTE


def of_queue(prefix: str, queue: str, name: str, *, seconds: int = MINUTE) -> Measure:
    """A metric of SQS."""
    return Measure(
        namespace="AWS/SQS",
        name=name,
        dimensions={"QueueName": physical_name(prefix, queue)},
        statistic="Maximum",
        seconds=seconds,
    )


def of_service(prefix: str, command: str, name: str, statistic: Statistic) -> Measure:
    """A metric of Container Insights about a command's tasks."""
    return Measure(
        namespace="ECS/ContainerInsights",
        name=name,
        dimensions={"ClusterName": prefix, "ServiceName": command},
        statistic=statistic,
    )


def of_aurora(prefix: str, name: str, statistic: Statistic, **more: str) -> Measure:
    """A metric of the cluster, or of its writer with `Role="WRITER"`."""
    return Measure(
        namespace="AWS/RDS",
        name=name,
        dimensions={"DBClusterIdentifier": physical_name(prefix, "aurora"), **more},
        statistic=statistic,
    )


def of_stream(prefix: str, stream: str) -> Measure:
    """How old the oldest record is that Firehose has not delivered yet."""
    return Measure(
        namespace="AWS/Firehose",
        name="DeliveryToS3.DataFreshness",
        dimensions={"DeliveryStreamName": physical_name(prefix, stream)},
        statistic="Maximum",
        seconds=5 * MINUTE,
    )


def of_ours(
    prefix: str, name: MetricName, *, service: str, seconds: int = MINUTE, **labels: str
) -> Measure:
    """A metric of ours, with the dimensions that the collector keeps: all its labels or none."""
    metric = BY_NAME[name]
    dimensions = {SERVICE_DIMENSION: service, **labels}
    if tuple(dimensions) not in metric.dimensions or service not in metric.services:
        raise ValueError(f"{name} is not kept by {sorted(dimensions)} of {service}")
    return Measure(
        namespace=cloudwatch_namespace(prefix),
        name=metric.exposed_name,
        dimensions=dimensions,
        statistic=metric.statistic,  # type: ignore[arg-type]  # the table writes CloudWatch's words
        seconds=seconds,
    )


def endpoint_query(prefix: str, endpoint: str, function: str, name: str) -> Formula:
    """A metric of a SageMaker endpoint over all of its variants, whose names come and go."""
    query = _OVER_VARIANTS.format(
        function=function, name=name, endpoint=physical_name(prefix, endpoint)
    )
    return Formula(expression=query, seconds=5 * MINUTE)
