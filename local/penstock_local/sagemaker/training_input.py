"""The files and variables that a training program finds when it starts."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock_local.sagemaker.records import Request, TrainingJob

HOST = "algo-1"


def config_files(request: Request) -> dict[str, Any]:
    """Contents of `/opt/ml/input/config/`, by file name."""
    instance_type = request.get("ResourceConfig", {}).get("InstanceType", "")
    return {
        "hyperparameters.json": dict(request.get("HyperParameters", {})),
        "inputdataconfig.json": {
            channel["ChannelName"]: _channel(channel, request)
            for channel in request.get("InputDataConfig", [])
        },
        # InstanceCount is kept but one process runs, so it is told that it is alone.
        "resourceconfig.json": {
            "current_host": HOST,
            "hosts": [HOST],
            "network_interface_name": "lo",
            "current_instance_type": instance_type,
        },
    }


def write_config(ml: Path, request: Request) -> None:
    for name, content in config_files(request).items():
        (ml / "input/config" / name).write_text(json.dumps(content))


def training_environment(job: TrainingJob) -> dict[str, str]:
    """The job's own Environment comes first: the platform's variables are not its to change."""
    return {
        **job.request.get("Environment", {}),
        "TRAINING_JOB_NAME": job.name,
        "TRAINING_JOB_ARN": job.arn,
    }


def channel_urls(request: Request) -> dict[str, str]:
    """S3 prefix of each channel."""
    return {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"]
        for channel in request.get("InputDataConfig", [])
    }


def _channel(channel: Mapping[str, Any], request: Request) -> dict[str, str]:
    default_mode = request.get("AlgorithmSpecification", {}).get("TrainingInputMode", "File")
    source = channel["DataSource"]["S3DataSource"]
    described = {
        "TrainingInputMode": channel.get("InputMode", default_mode),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    if content_type := channel.get("ContentType"):
        described["ContentType"] = content_type
    return described
