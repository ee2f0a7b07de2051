import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.fixtures.stack import ask, serving, wait_for_server
from tests.fixtures.waiting import PATIENCE_SECONDS, wait_until

ROLE = "arn:aws:iam::000000000000:role/any"


@contextmanager
def ministack(folder: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with serving("penstock_local.ministack", folder, *options) as (port, process):
        wait_for_server(process, folder, lambda: ask(port, "/_ministack/health"))
        yield f"http://127.0.0.1:{port}", process


def client(service: str, endpoint: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def fill(endpoint: str) -> None:
    """One thing of each service that Penstock keeps state in."""
    sqs, sns = client("sqs", endpoint), client("sns", endpoint)
    queue = sqs.create_queue(QueueName="readings")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="waiting")
    topic = sns.create_topic(Name="readings")["TopicArn"]
    arn = "arn:aws:sqs:eu-west-1:000000000000:readings"
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=raw)
    dynamodb = client("dynamodb", endpoint)
    dynamodb.create_table(
        TableName="state",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
    )
    dynamodb.put_item(TableName="state", Item={"key": {"S": "P-101"}, "sum": {"N": "71.25"}})
    s3 = client("s3", endpoint)
    s3.create_bucket(
        Bucket="archive", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    s3.put_object(Bucket="archive", Key="a/b.parquet", Body=b"columns", Metadata={"rows": "7"})
    secret = "penstock/sources/historian"
    client("secretsmanager", endpoint).create_secret(Name=secret, SecretString="key")
    states = client("stepfunctions", endpoint)
    wait = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}
    machine = states.create_state_machine(
        name="training", roleArn=ROLE, definition=json.dumps(wait)
    )["stateMachineArn"]
    states.start_execution(stateMachineArn=machine, name="job-1")


def assert_filled(endpoint: str) -> None:
    sqs = client("sqs", endpoint)
    queue = sqs.get_queue_url(QueueName="readings")["QueueUrl"]
    client("sns", endpoint).publish(
        TopicArn="arn:aws:sns:eu-west-1:000000000000:readings", Message="published"
    )
    bodies = set()
    for _ in range(5):
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        bodies |= {message["Body"] for message in received.get("Messages", [])}
        if len(bodies) == 2:
            break
    assert bodies == {"waiting", "published"}
    item = client("dynamodb", endpoint).get_item(TableName="state", Key={"key": {"S": "P-101"}})
    assert item["Item"]["sum"] == {"N": "71.25"}
    stored = client("s3", endpoint).get_object(Bucket="archive", Key="a/b.parquet")
    assert (stored["Body"].read(), stored["Metadata"]) == (b"columns", {"rows": "7"})
    secrets = client("secretsmanager", endpoint)
    assert secrets.get_secret_value(SecretId="penstock/sources/historian")["SecretString"] == "key"


def test_all_but_a_running_execution_survives_a_restart_on_another_port(tmp_path: Path) -> None:
    with ministack(tmp_path) as (endpoint, process):
        fill(endpoint)
        process.terminate()
        process.wait(PATIENCE_SECONDS)

    with ministack(tmp_path) as (restarted, _):
        assert restarted != endpoint
        assert_filled(restarted)
        # The one thing that a clean restart loses; a training job must be ready for it.
        execution = client("stepfunctions", restarted).describe_execution(
            executionArn="arn:aws:states:eu-west-1:000000000000:execution:training:job-1"
        )
        assert (execution["status"], execution["error"]) == ("FAILED", "States.ServiceRestart")


def test_a_crash_keeps_the_last_snapshot_and_every_object(tmp_path: Path) -> None:
    with ministack(tmp_path, "--snapshot-seconds", "0.2") as (endpoint, process):
        fill(endpoint)
        saved = tmp_path / "services" / "stepfunctions.json"
        wait_until(
            lambda: saved.exists() and b"job-1" in saved.read_bytes(),
            "a snapshot is taken",
        )
        client("s3", endpoint).put_object(Bucket="archive", Key="late", Body=b"durable at once")
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)

    with ministack(tmp_path) as (endpoint, _):
        assert_filled(endpoint)
        late = client("s3", endpoint).get_object(Bucket="archive", Key="late")
        assert late["Body"].read() == b"durable at once"


@pytest.mark.usefixtures("aws_environment")
def test_a_queue_url_names_the_address_that_the_caller_used(aws_endpoint: str) -> None:
    url = client("sqs", aws_endpoint).create_queue(QueueName="any")["QueueUrl"]
    assert url.startswith(aws_endpoint)
