"""What real clients send to MiniStack is told apart by who signed it, in one account."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from penstock_local.api_calls.recorder import FILE, ApiCall, read_calls

from tests.fixtures.stack import ask, serving, wait_for_server


def client(service: str, endpoint: str, *, caller: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id=caller,
        aws_secret_access_key="any",
        config=Config(s3={"addressing_style": "path"}),
    )


def test_each_callers_calls_are_recorded_and_all_see_the_same_account(tmp_path: Path) -> None:
    with serving("penstock_local.ministack", tmp_path) as (port, process):
        wait_for_server(process, tmp_path, lambda: ask(port, "/_ministack/health"))
        endpoint = f"http://127.0.0.1:{port}"
        make_resources(endpoint)
        send_and_receive(endpoint)
        write_and_read_objects(endpoint)
        write_and_read_items(endpoint)
    assert read_calls(tmp_path / FILE) == {
        ApiCall("ingest-api", "sns:Publish", "topic/readings"),
        ApiCall("ingest-api", "sqs:GetQueueUrl", "queue/inference"),
        ApiCall("ingest-api", "sqs:SendMessage", "queue/inference"),
        ApiCall("inference-worker", "sqs:GetQueueUrl", "queue/inference"),
        ApiCall("inference-worker", "sqs:ReceiveMessage", "queue/inference"),
        ApiCall("results-writer", "s3:PutObject", "bucket/archive/readings/*"),
        ApiCall("results-writer", "s3:GetObject", "bucket/archive/readings/*"),
        ApiCall("results-writer", "s3:GetObject", "bucket/archive/probes/*"),
        ApiCall("results-writer", "s3:ListBucket", "bucket/archive"),
        ApiCall("results-writer", "s3:ListBucket", "bucket/archive?prefix=readings/*"),
        ApiCall("console", "dynamodb:GetItem", "table/jobs"),
        ApiCall("console", "dynamodb:PutItem", "table/jobs"),
        ApiCall("console", "dynamodb:UpdateItem", "table/jobs"),
        ApiCall("console", "dynamodb:Query", "table/jobs/index/by-creation"),
    }


def make_resources(endpoint: str) -> None:
    client("sqs", endpoint, caller="bootstrap").create_queue(QueueName="penstock-inference")
    client("sns", endpoint, caller="bootstrap").create_topic(Name="penstock-readings")
    where = {"LocationConstraint": "eu-west-1"}
    client("s3", endpoint, caller="bootstrap").create_bucket(
        Bucket="penstock-archive", CreateBucketConfiguration=where
    )
    keys = {"job_id": "HASH"}, {"listing": "HASH", "created_at": "RANGE"}
    table, index = (
        [{"AttributeName": name, "KeyType": kind} for name, kind in one.items()] for one in keys
    )
    client("dynamodb", endpoint, caller="bootstrap").create_table(
        TableName="penstock-jobs",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=table,
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for one in keys for name in one
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-creation",
                "KeySchema": index,
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


def send_and_receive(endpoint: str) -> None:
    sender = client("sqs", endpoint, caller="ingest-api")
    url = sender.get_queue_url(QueueName="penstock-inference")["QueueUrl"]
    sender.send_message_batch(QueueUrl=url, Entries=[{"Id": "0", "MessageBody": "reading"}])
    worker = client("sqs", endpoint, caller="inference-worker")
    assert worker.get_queue_url(QueueName="penstock-inference")["QueueUrl"] == url
    (message,) = worker.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == "reading"
    client("sns", endpoint, caller="ingest-api").publish_batch(
        TopicArn="arn:aws:sns:eu-west-1:000000000000:penstock-readings",
        PublishBatchRequestEntries=[{"Id": "0", "Message": "reading"}],
    )


def write_and_read_objects(endpoint: str) -> None:
    s3 = client("s3", endpoint, caller="results-writer")
    key = "readings/dt=2026-11-20/a b+ä.parquet"
    s3.put_object(Bucket="penstock-archive", Key=key, Body=b"columns" * 1000)
    assert s3.get_object(Bucket="penstock-archive", Key=key)["Body"].read() == b"columns" * 1000
    (found,) = s3.list_objects_v2(Bucket="penstock-archive", Prefix="readings/")["Contents"]
    assert found["Key"] == key
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket="penstock-archive", Key="probes/results-writer")


def write_and_read_items(endpoint: str) -> None:
    dynamodb = client("dynamodb", endpoint, caller="console")
    key = {"job_id": {"S": "j1"}}
    put = {"TableName": "penstock-jobs", "Item": {"job_id": {"S": "j2"}}}
    update = {
        "TableName": "penstock-jobs",
        "Key": key,
        "UpdateExpression": "SET tag = :t",
        "ExpressionAttributeValues": {":t": {"S": "TableName"}},
    }
    dynamodb.transact_write_items(TransactItems=[{"Put": put}, {"Update": update}])
    assert "Item" in dynamodb.get_item(TableName="penstock-jobs", Key=key)
    dynamodb.query(
        TableName="penstock-jobs",
        IndexName="by-creation",
        KeyConditionExpression="listing = :l",
        ExpressionAttributeValues={":l": {"S": "all"}},
    )
