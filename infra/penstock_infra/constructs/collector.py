"""The collector beside each task: traces to X-Ray, metrics to CloudWatch; see collector.yaml."""

import json
from pathlib import Path

import yaml
from aws_cdk import Aws
from aws_cdk import aws_ecs as ecs
from penstock.command import Command

CONFIGURATION = Path(__file__).parents[2] / "collector.yaml"
TRACES_ADDRESS = "http://127.0.0.1:4318"
SIZE_MIB = 256
"""Of the task's memory: the configuration lets the collector itself take less than half of it."""


def add_collector(
    task: ecs.FargateTaskDefinition,
    command: Command,
    *,
    image: str,
    prefix: str,
    metrics_group: str,
    logs: ecs.LogDriver,
) -> None:
    """Put the collector beside a command. A task goes on without it: it is not essential."""
    task.add_container(
        "collector",
        image=ecs.ContainerImage.from_registry(image),
        essential=False,
        memory_limit_mib=SIZE_MIB,
        environment={"AOT_CONFIG_CONTENT": configuration(command, prefix, metrics_group)},
        logging=logs,
        readonly_root_filesystem=True,
        user="10001:10001",
    )


def configuration(command: Command, prefix: str, metrics_group: str) -> str:
    """Fill the collector's configuration, without its comments: a task definition has 64 KiB.

    Its places are filled here and not by variables of the container: CloudFormation's linters take
    a dollar sign with a brace for one of their own.
    """
    text = json.dumps(yaml.safe_load(CONFIGURATION.read_text()), separators=(",", ":"))
    places = {
        "AWS_REGION": Aws.REGION,
        "PENSTOCK_SERVICE": command.name,
        "PENSTOCK_METRICS_PORT": str(command.port),
        "PENSTOCK_METRICS_LOG_GROUP": metrics_group,
        "PENSTOCK_NAME_PREFIX": prefix,
    }
    for name, value in places.items():
        text = text.replace(f"${{env:{name}}}", value)
    return text
