"""What surrounds it all: network, keys and secrets, logs and alarms."""

from collections.abc import Iterator

from penstock_client.cost.doors import gb_out
from penstock_client.cost.flows import GB, prediction_packs, reading_packs
from penstock_client.cost.messages import bytes_per_second
from penstock_client.cost.stores import lake_bytes
from penstock_client.cost.usage import Usage
from penstock_client.cost.workload import Deployment

INTERFACE_ENDPOINTS = (
    "sqs", "sns", "sagemaker", "sagemaker-runtime", "secrets", "states", "logs", "monitoring",
    "registry-api", "registry", "kms", "sts", "scheduler", "xray", "users",
)  # fmt: skip
"""What tasks call by PrivateLink, as the stacks name it; S3 and DynamoDB cost nothing there."""
KEYS = 1
SECRETS = 4
"""DSN of Aurora, tokens of the APIs, key of Snowflake, one source."""
DATA_KEY_SECONDS = 300
"""How long SQS and SNS use one data key before they ask KMS again."""
SERIES_PER_METRIC = 4
"""Values of labels (queues, outcomes) that make a billed metric each: an assumption."""
DASHBOARDS = 1
OTHER_ALARMS = 10
LOG_LINE_BYTES = 350
FIREWALL_LOG_BYTES = 1_500
"""One request in the firewall's log, which has every request: an assumption."""
_LOG_LINES_PER_PACK = 1.0


def network(deployment: Deployment) -> Iterator[Usage]:
    """PrivateLink, a NAT per zone where that is the way out, and what leaves for the internet.

    Snowflake's stage is taken to be in the same region: what goes there only passes NAT.
    """
    load = deployment.load
    endpoints = len(INTERFACE_ENDPOINTS) + (1 if load.egress == "privatelink" else 0)
    private_gb = (bytes_per_second(deployment) + _log_bytes_per_second(deployment)) / GB
    yield Usage(
        "network", "interface endpoints", "vpc-endpoint-hour", endpoints * load.zones * load.hours
    )
    yield Usage("network", "through them", "vpc-endpoint-gb", private_gb * load.seconds)
    gateways = load.zones if load.egress == "nat" else 0
    loads = load.predictions_per_second * load.seconds * lake_bytes(load.tags_per_asset) / GB
    outside = loads + load.dataset_gb * load.trainings
    if gateways:
        yield Usage("network", f"{gateways} NAT", "nat-hour", gateways * load.hours)
        yield Usage("network", "NAT addresses", "public-ipv4-hour", gateways * load.hours)
        yield Usage("network", "through NAT", "nat-gb", outside)
    yield Usage("network", "answers to gateways", "internet-out-gb", gb_out(deployment))


def keys(deployment: Deployment) -> Iterator[Usage]:
    """KMS and Secrets Manager."""
    load = deployment.load
    shape = deployment.shape
    places = shape.topics + shape.queues + shape.dead_letter_queues
    requests = places * load.seconds / DATA_KEY_SECONDS
    yield Usage("keys", "keys", "kms-key-month", KEYS * load.months)
    yield Usage("keys", "data keys of topics and queues", "kms-request", requests)
    yield Usage("keys", "secrets", "secret-month", SECRETS * load.months)


def watching(deployment: Deployment) -> Iterator[Usage]:
    """CloudWatch: logs, metrics, an alarm per queue and dead-letter queue, a dashboard."""
    load = deployment.load
    logs = _log_bytes_per_second(deployment) * load.seconds / GB
    shape = deployment.shape
    metrics = shape.metrics * SERIES_PER_METRIC
    alarms = shape.queues + shape.dead_letter_queues + OTHER_ALARMS
    of_firewall = load.bodies_per_second * load.seconds * FIREWALL_LOG_BYTES / GB
    yield Usage("watching", "logs of tasks", "logs-gb", logs)
    yield Usage("watching", "logs of the firewall", "logs-gb", of_firewall)
    yield Usage("watching", "metrics", "metric-month", metrics * load.months)
    yield Usage("watching", "alarms", "alarm-month", alarms * load.months)
    yield Usage("watching", "dashboard", "dashboard-month", DASHBOARDS * load.months)


def _log_bytes_per_second(deployment: Deployment) -> float:
    subscribers = deployment.shape.subscribers
    packs = reading_packs(deployment).per_second * len(subscribers["readings"])
    packs += prediction_packs(deployment).per_second * len(subscribers["predictions"])
    return packs * _LOG_LINES_PER_PACK * LOG_LINE_BYTES
