"""What a user of AWS does with boto3, in fewer words: unmodified clients against the servers."""

import io
import json
import tarfile
import uuid
from collections.abc import Sequence
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from penstock_local.environment import REGION

from tests.integration.sagemaker.servers import IMAGE

BUCKET = "plant-models"
ROLE = "arn:aws:iam::000000000000:role/penstock-training"
QUICK = {"Delay": 0.05, "MaxAttempts": 600}


def new_name(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:8]}"


class Account:
    """Clients without retries: a test wants to see the first answer."""

    def __init__(self, *, sagemaker_url: str, s3_url: str) -> None:
        session = boto3.session.Session(
            aws_access_key_id="penstock", aws_secret_access_key="penstock", region_name=REGION
        )
        config = Config(
            retries={"total_max_attempts": 1},
            read_timeout=70,
            max_pool_connections=64,
            s3={"addressing_style": "path"},
        )
        self.sagemaker: Any = session.client("sagemaker", endpoint_url=sagemaker_url, config=config)
        self.runtime: Any = session.client(
            "sagemaker-runtime", endpoint_url=sagemaker_url, config=config
        )
        self.s3: Any = session.client("s3", endpoint_url=s3_url, config=config)

    def close(self) -> None:
        for client in (self.sagemaker, self.runtime, self.s3):
            client.close()

    def make_bucket(self) -> None:
        """Make sure of the bucket, whichever tests of the session come first."""
        buckets = [bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]]
        if BUCKET not in buckets:
            where = {"LocationConstraint": REGION}
            self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)

    def put(self, key: str, body: bytes) -> str:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    def get(self, url: str) -> bytes:
        bucket, _, key = url.removeprefix("s3://").partition("/")
        content: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return content

    def create_job(self, *, name: str = "", **changes: Any) -> str:
        """Start a job on the channel `train`; `changes` replace members of the request."""
        name = name or new_name("job")
        self.put(f"data/{name}/train/part-1.csv", b"1\n2\n")
        self.put(f"data/{name}/train/deeper/part-2.csv", b"3\n")
        self.sagemaker.create_training_job(**job_request(name) | changes)
        return name

    def wait_for_job(self, name: str) -> dict[str, Any]:
        waiter = self.sagemaker.get_waiter("training_job_completed_or_stopped")
        waiter.wait(TrainingJobName=name, WaiterConfig=QUICK)
        return self.describe_job(name)

    def describe_job(self, name: str) -> dict[str, Any]:
        job: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
        return job

    def create_model(self, *, image: str = IMAGE, **content: Any) -> str:
        """Upload a model.tar.gz with this content and register it."""
        name = new_name("model")
        url = self.put(f"{name}/model.tar.gz", archive_of({"mean": 1.0} | content))
        self.sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={"Image": image, "ModelDataUrl": url},
            ExecutionRoleArn=ROLE,
        )
        return name

    def create_config(self, variants: dict[str, str], **weights: float) -> str:
        """Make a configuration of variant name -> model name."""
        name = new_name("config")
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                variant(key, model, InitialVariantWeight=weights.get(key, 1.0))
                for key, model in variants.items()
            ],
        )
        return name

    def deploy(self, **content: Any) -> str:
        """One variant `main` with a model of this content, in service."""
        return self.create_endpoint(self.create_config({"main": self.create_model(**content)}))

    def create_endpoint(self, config: str, **more: Any) -> str:
        name = new_name("endpoint")
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config, **more)
        self.wait_in_service(name)
        return name

    def wait_in_service(self, endpoint: str) -> dict[str, Any]:
        waiter = self.sagemaker.get_waiter("endpoint_in_service")
        waiter.wait(EndpointName=endpoint, WaiterConfig=QUICK)
        return self.describe(endpoint)

    def describe(self, endpoint: str) -> dict[str, Any]:
        described: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=endpoint)
        return described

    def invoke(self, endpoint: str, body: object = None, **more: Any) -> dict[str, Any]:
        """Invoke and read: the program's answer, beside `variant` and `attributes`."""
        answer = self.runtime.invoke_endpoint(
            EndpointName=endpoint, Body=json.dumps(body or {}).encode(), **more
        )
        content: dict[str, Any] = json.loads(answer["Body"].read())
        return content | {
            "variant": answer["InvokedProductionVariant"],
            "attributes": answer.get("CustomAttributes"),
        }


def job_request(name: str) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": "validation:rmse", "Regex": "validation-rmse:([0-9.]+)"}
            ],
        },
        "InputDataConfig": [channel("train", f"s3://{BUCKET}/data/{name}/train")],
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/trained"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 10,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }


def channel(name: str, url: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": url}
    return {
        "ChannelName": name,
        "ContentType": "text/csv",
        "DataSource": {"S3DataSource": source},
    }


def variant(name: str, model: str, **more: Any) -> dict[str, Any]:
    return {
        "VariantName": name,
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        **more,
    }


def archive_of(model: dict[str, Any]) -> bytes:
    content = json.dumps(model).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        info = tarfile.TarInfo("model.json")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def read_archive(content: bytes) -> dict[str, Any]:
    """Contents of a packed folder: parsed JSON, else text."""
    files: dict[str, Any] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar.getmembers():
            file = tar.extractfile(member)
            if file is not None:
                text = file.read().decode()
                files[member.name] = json.loads(text) if member.name.endswith("json") else text
    return files


def status_values(shape: str) -> Sequence[str]:
    model = botocore.session.get_session().get_service_model("sagemaker")
    values: Sequence[str] = model.shape_for(shape).metadata["enum"]
    return values
