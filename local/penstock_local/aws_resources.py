"""Creates what `penstock.resources` lists, in whatever answers at the AWS endpoint of the process.

Every step looks before it makes, so running it again changes nothing and repairs what is missing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from penstock import resources
from penstock.channel import DAY_SECONDS, Queue, Topic
from penstock.resources import Bucket, Table, physical_name

_RETENTION_SECONDS = 14 * DAY_SECONDS
_CONFIG = Config(
    connect_timeout=3,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 5},
    s3={"addressing_style": "path"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What there shall be; by default all of `penstock.resources`."""

    topics: Sequence[Topic] = resources.TOPICS
    queues: Sequence[Queue] = resources.QUEUES
    tables: Sequence[Table] = resources.TABLES
    buckets: Sequence[Bucket] = resources.BUCKETS


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A topic that copies to a queue, as it exists."""

    topic_arn: str
    arn: str
    queue_url: str


@dataclass(slots=True)
class Created:
    """What exists after a run, and how much of it is new."""

    queue_urls: dict[str, str] = field(default_factory=dict)
    subscriptions: list[Subscription] = field(default_factory=list)
    count: int = 0
    new_count: int = 0

    def note(self, *, is_new: bool) -> None:
        """Count one more."""
        self.count += 1
        self.new_count += is_new


def client(service: str) -> Any:
    """A client whose endpoint, region and credentials come from the standard AWS variables."""
    return boto3.client(service, config=_CONFIG)


def create_all(prefix: str, wanted: Wanted) -> Created:
    """Create every queue, topic, subscription, table and bucket that is not there yet."""
    created = Created()
    for queue in wanted.queues:
        _queue_with_dead_letters(prefix, queue, created)
    for topic in wanted.topics:
        _topic(prefix, topic, created)
    dynamodb, s3 = client("dynamodb"), client("s3")
    for table in wanted.tables:
        created.note(is_new=_table(dynamodb, physical_name(prefix, table.name), table))
    for bucket in wanted.buckets:
        created.note(is_new=_bucket(s3, physical_name(prefix, bucket.name)))
    return created


def _queue_with_dead_letters(prefix: str, queue: Queue, created: Created) -> None:
    # The dead-letter queue first: the redrive policy names it.
    dead_letters = _queue(
        physical_name(prefix, queue.dead_letter_name),
        {"MessageRetentionPeriod": str(_RETENTION_SECONDS)},
        created,
    )
    redrive = {"deadLetterTargetArn": dead_letters, "maxReceiveCount": str(queue.max_receives)}
    attributes = {
        "VisibilityTimeout": str(queue.visibility_seconds),
        "MessageRetentionPeriod": str(queue.retention_seconds),
        "RedrivePolicy": json.dumps(redrive),
    }
    _queue(physical_name(prefix, queue.name), attributes, created)


def _queue(name: str, attributes: Mapping[str, str], created: Created) -> str:
    """Make sure of a queue and its attributes; return its ARN."""
    sqs = client("sqs")
    try:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        created.note(is_new=False)
        sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    except sqs.exceptions.QueueDoesNotExist:
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        created.note(is_new=True)
    created.queue_urls[name] = url
    return _arn_of_queue(sqs, url)


def _arn_of_queue(sqs: Any, url: str) -> str:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])


def _topic(prefix: str, topic: Topic, created: Created) -> None:
    sns, sqs = client("sns"), client("sqs")
    topic_arn = sns.create_topic(Name=physical_name(prefix, topic.name))["TopicArn"]
    known = {
        subscription["Endpoint"]: subscription["SubscriptionArn"]
        for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
        for subscription in page["Subscriptions"]
    }
    created.note(is_new=not known)
    for queue in topic.subscribers:
        name = physical_name(prefix, topic.subscription_dead_letter_name(queue))
        retention = {"MessageRetentionPeriod": str(_RETENTION_SECONDS)}
        redrive = json.dumps({"deadLetterTargetArn": _queue(name, retention, created)})
        url = created.queue_urls[physical_name(prefix, queue.name)]
        endpoint = _arn_of_queue(sqs, url)
        attributes = {"RawMessageDelivery": "true", "RedrivePolicy": redrive}
        arn = known.get(endpoint)
        created.note(is_new=arn is None)
        if arn is None:
            arn = _subscribe(sns, topic_arn, endpoint, attributes)
        else:
            _set_subscription(sns, arn, attributes)
        created.subscriptions.append(Subscription(topic_arn=topic_arn, arn=arn, queue_url=url))


def _subscribe(sns: Any, topic_arn: str, endpoint: str, attributes: Mapping[str, str]) -> str:
    answer = sns.subscribe(
        TopicArn=topic_arn,
        Protocol="sqs",
        Endpoint=endpoint,
        Attributes=attributes,
        ReturnSubscriptionArn=True,
    )
    return str(answer["SubscriptionArn"])


def _set_subscription(sns: Any, arn: str, attributes: Mapping[str, str]) -> None:
    for name, value in attributes.items():
        sns.set_subscription_attributes(
            SubscriptionArn=arn, AttributeName=name, AttributeValue=value
        )


def _table(dynamodb: Any, name: str, table: Table) -> bool:
    try:
        dynamodb.describe_table(TableName=name)
        is_new = False
    except dynamodb.exceptions.ResourceNotFoundException:
        dynamodb.create_table(**table_request(name, table))
        dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
        is_new = True
    if table.ttl is not None:
        _expire_by(dynamodb, name, table.ttl)
    return is_new


def table_request(name: str, table: Table) -> dict[str, Any]:
    """Arguments of CreateTable. Keys are text; the sort key of an index mostly is a number."""
    types = {table.partition: "S"}
    if table.sort is not None:
        types[table.sort] = "S"
    for index in table.indexes:
        types |= {index.partition: "S", index.sort: "S" if index.sorts_text else "N"}
    request: dict[str, Any] = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": _key_schema(table.partition, table.sort),
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": kind} for attribute, kind in types.items()
        ],
    }
    if table.indexes:
        request["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index.name,
                "KeySchema": _key_schema(index.partition, index.sort),
                "Projection": {"ProjectionType": "ALL"},
            }
            for index in table.indexes
        ]
    return request


def _key_schema(partition: str, sort: str | None) -> list[dict[str, str]]:
    keys = [{"AttributeName": partition, "KeyType": "HASH"}]
    if sort is not None:
        keys.append({"AttributeName": sort, "KeyType": "RANGE"})
    return keys


def _expire_by(dynamodb: Any, name: str, attribute: str) -> None:
    # Switching on what is on is an error in AWS.
    description = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if description["TimeToLiveStatus"] in {"ENABLED", "ENABLING"}:
        return
    specification = {"Enabled": True, "AttributeName": attribute}
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=specification)


def _bucket(s3: Any, name: str) -> bool:
    try:
        s3.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
    else:
        return False
    region = s3.meta.region_name
    # us-east-1 is the one region that must not be named.
    where = {} if region == "us-east-1" else {"LocationConstraint": region}
    s3.create_bucket(Bucket=name, **({"CreateBucketConfiguration": where} if where else {}))
    return True
