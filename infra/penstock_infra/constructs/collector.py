"""The collector beside each task: traces to X-Ray, metrics to CloudWatch."""

import json

from aws_cdk import Aws
from aws_cdk import aws_ecs as ecs
from penstock.command import Command

from penstock_infra.config import Deployment
from penstock_infra.constructs.log_groups import log_path

NAMESPACE = "Penstock"
"""Where the services' metrics are in CloudWatch, with the dimensions `service` and the metric's."""
_SCRAPE_SECONDS = 60
SIZE_MIB = 256


def add_collector(
    task: ecs.FargateTaskDefinition,
    command: Command,
    deployment: Deployment,
    *,
    image: str,
    logs: ecs.LogDriver,
) -> None:
    """Put the collector beside a command. A task goes on without it: it is not essential."""
    task.add_container(
        "collector",
        image=ecs.ContainerImage.from_registry(image),
        essential=False,
        memory_limit_mib=SIZE_MIB,
        environment={"AOT_CONFIG_CONTENT": json.dumps(configuration(command, deployment))},
        logging=logs,
        readonly_root_filesystem=True,
        user="10001:10001",
    )


def configuration(command: Command, deployment: Deployment) -> dict[str, object]:
    """Make the collector's configuration, which it reads as YAML: JSON is YAML."""
    scrape = {
        "job_name": command.name,
        "scrape_interval": f"{_SCRAPE_SECONDS}s",
        "static_configs": [{"targets": [f"127.0.0.1:{command.port}"]}],
    }
    return {
        "receivers": {
            "otlp": {"protocols": {"http": {"endpoint": "127.0.0.1:4318"}}},
            "prometheus": {"config": {"scrape_configs": [scrape]}},
        },
        "processors": {
            "batch": {},
            "memory_limiter": {"check_interval": "5s", "limit_mib": SIZE_MIB // 2},
            "resource": {
                "attributes": [{"key": "service", "value": command.name, "action": "upsert"}]
            },
        },
        "exporters": {
            "awsxray": {"region": Aws.REGION},
            "awsemf": {
                "region": Aws.REGION,
                "namespace": f"{NAMESPACE}/{deployment.name_prefix}",
                "log_group_name": log_path(deployment, "metrics"),
                "log_stream_name": f"{command.name}-{{TaskId}}",
                "resource_to_telemetry_conversion": {"enabled": True},
                "dimension_rollup_option": "NoDimensionRollup",
                "metric_declarations": [
                    {
                        "dimensions": [["service"], ["service", "queue"], ["service", "sink"]],
                        "metric_name_selectors": ["^penstock_.*"],
                    }
                ],
            },
        },
        "service": {
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": ["memory_limiter", "batch"],
                    "exporters": ["awsxray"],
                },
                "metrics": {
                    "receivers": ["prometheus"],
                    "processors": ["memory_limiter", "resource", "batch"],
                    "exporters": ["awsemf"],
                },
            }
        },
    }
