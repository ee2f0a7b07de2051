"""The image names of AWS's own algorithms run Penstock's programs."""

import random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.sagemaker.account import BUCKET, Account, channel, job_request, new_name

XGBOOST = "685385470294.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:1.7-1"


def readings(count: int) -> bytes:
    """A failure where temperature and vibration together are high; the label comes first."""
    draw = random.Random(7)
    pairs = [(draw.random(), draw.random()) for _ in range(count)]
    lines = [f"{int(heat + shake > 1)},{heat:.3f},{shake:.3f}" for heat, shake in pairs]
    return "\n".join(lines).encode()


def xgboost_job(name: str) -> dict[str, Any]:
    prefix = f"s3://{BUCKET}/{name}"
    return job_request(name) | {
        "AlgorithmSpecification": {
            "TrainingImage": XGBOOST,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "validation:auc", "Regex": r"validation-auc:([0-9.]+)"}],
        },
        "HyperParameters": {
            "num_round": "10",
            "objective": "binary:logistic",
            "eval_metric": "auc",
        },
        "InputDataConfig": [
            channel("train", f"{prefix}/train/"),
            channel("validation", f"{prefix}/validation/"),
        ],
    }


def test_xgboost_trains_and_serves_under_its_aws_image_name(account: Account) -> None:
    name = new_name("xgboost")
    account.put(f"{name}/train/part-0.csv", readings(500))
    account.put(f"{name}/validation/part-0.csv", readings(100))

    account.sagemaker.create_training_job(**xgboost_job(name))
    job = account.wait_for_job(name)
    model = new_name("model")
    url = job["ModelArtifacts"]["S3ModelArtifacts"]
    account.sagemaker.create_model(
        ModelName=model, PrimaryContainer={"Image": XGBOOST, "ModelDataUrl": url}
    )
    endpoint = account.create_endpoint(account.create_config({"main": model}))

    [metric] = job["FinalMetricDataList"]
    assert metric["Value"] > 0.95
    body = b"0.95,0.95\n0.05,0.05"
    answer = account.runtime.invoke_endpoint(
        EndpointName=endpoint, Body=body, ContentType="text/csv"
    )
    failing, healthy = (float(score) for score in answer["Body"].read().split())
    assert failing > 0.9
    assert healthy < 0.1
    with pytest.raises(ClientError, match="ModelError") as refused:
        account.runtime.invoke_endpoint(EndpointName=endpoint, Body=b"1", ContentType="text/csv")
    original: Any = refused.value.response
    assert original["OriginalStatusCode"] == 400
