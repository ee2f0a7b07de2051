"""Where readings come in, and what runs: load balancer, firewall, IoT Core, tasks."""

import math
from collections.abc import Iterator

from penstock_client.cost.flows import GB, KIB
from penstock_client.cost.usage import Usage
from penstock_client.cost.workload import Deployment

BODY_BYTES_PER_READING = 97
"""One reading as JSON of a gateway."""
REQUEST_BYTES = 1_000
"""Headers and answer of one request."""
WAF_RULES = 4
"""Managed rule groups and the rate limit: an assumption."""
IMAGE_GB = 0.5
"""One image in the registry, compressed; a few versions are kept."""
_KEPT_IMAGES = 5
_FREE_RULES = 10
_IOT_UNIT = 5 * KIB


def load_balancer(deployment: Deployment) -> Iterator[Usage]:
    """The load balancer and the capacity units of its busiest dimension.

    Each body counts as a new connection: whether gateways keep theirs is not known.
    """
    load = deployment.load
    requests = load.bodies_per_second
    gb_per_hour = 3600 * requests * _request_bytes(deployment) / GB
    rules = max(0, deployment.shape.path_rules - _FREE_RULES)
    units = max(requests / 25, load.gateways / 3_000, gb_per_hour, requests * rules / 1_000)
    if not requests:
        units = 0.0
    yield Usage("load balancer", "hours", "alb-hour", load.hours)
    yield Usage("load balancer", "capacity units", "alb-lcu-hour", units * load.hours)
    yield Usage("load balancer", "public addresses", "public-ipv4-hour", load.zones * load.hours)


def firewall(deployment: Deployment) -> Iterator[Usage]:
    """WAF before the load balancer."""
    load = deployment.load
    yield Usage("firewall", "web ACL", "waf-acl-month", deployment.load.months)
    yield Usage("firewall", "rules", "waf-rule-month", WAF_RULES * deployment.load.months)
    yield Usage("firewall", "requests", "waf-request", load.bodies_per_second * load.seconds)


def iot_core(deployment: Deployment) -> Iterator[Usage]:
    """Gateways that speak MQTT to AWS IoT Core; a rule hands their bodies on."""
    load = deployment.load
    if not load.mqtt_gateways:
        return
    bodies = load.bodies_per_second * load.seconds * load.mqtt_gateways / load.gateways
    size = load.readings_per_body * BODY_BYTES_PER_READING
    units = bodies * math.ceil(size / _IOT_UNIT)
    minutes = load.mqtt_gateways * load.hours * 60
    yield Usage("IoT Core", "connections", "iot-connection-minute", minutes)
    yield Usage("IoT Core", "messages", "iot-message", units)
    yield Usage("IoT Core", "rule and its action", "iot-rule", 2 * units)


def tasks(deployment: Deployment) -> Iterator[Usage]:
    """Tasks on Fargate, a line of CPU and one of memory per command."""
    hours, arch = deployment.load.hours, deployment.load.architecture
    for command in deployment.shape.commands:
        count = deployment.running(command.name)
        gib = command.memory_mib / 1024
        what = f"{command.name}, {count} × {command.vcpus:g} vCPU"
        yield Usage("tasks", what, f"fargate-{arch}-vcpu-hour", count * command.vcpus * hours)
        what = f"{command.name}, {count} × {gib:g} GiB"
        yield Usage("tasks", what, f"fargate-{arch}-gib-hour", count * gib * hours)
    images = deployment.shape.images * _KEPT_IMAGES * IMAGE_GB * deployment.load.months
    yield Usage("tasks", "images", "ecr-gb-month", images)


def gb_out(deployment: Deployment) -> float:
    """GB of answers that leave for gateways in a month."""
    load = deployment.load
    return load.bodies_per_second * load.seconds * REQUEST_BYTES / 2 / GB


def _request_bytes(deployment: Deployment) -> float:
    return deployment.load.readings_per_body * BODY_BYTES_PER_READING + REQUEST_BYTES
