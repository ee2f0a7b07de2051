"""The embedded stack has what the templates make: read back from it by the API, thing by thing.

What AWS alone has (encryption, policies, restore points, alarms) is left out here and looked at in
the other tests of the templates.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from penstock.resources import BUCKETS, QUEUES, TABLES, TOPICS, physical_name
from penstock_local import bootstrap
from penstock_local.aws_resources import client

from tests.infra.reading import as_text
from tests.infra.synthesis import Synthesized

_DEFAULT_VISIBILITY_SECONDS = 30  # of SQS, where a template says nothing
_Seen = dict[str, Any]


@pytest.fixture
def prefix(prod: Synthesized, aws_environment: str) -> str:
    """A bootstrap under the deployment's own prefix."""
    bootstrap.create_resources(prod.deployment.name_prefix)
    return prod.deployment.name_prefix


def test_queues_redrive_and_keep_messages_as_in_aws(prod: Synthesized, prefix: str) -> None:
    names = [name for queue in QUEUES for name in (queue.name, queue.dead_letter_name)]
    names += [t.subscription_dead_letter_name(q) for t in TOPICS for q in t.subscribers]
    assert _queues_of_api(prefix, names) == _only(_queues_of_template(prod), prefix, names)


def test_a_queue_that_differs_is_seen(prod: Synthesized, prefix: str) -> None:
    sqs, name = client("sqs"), physical_name(prefix, QUEUES[0].name)
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "7"})
    assert _queues_of_api(prefix, [QUEUES[0].name]) != _only(
        _queues_of_template(prod), prefix, [QUEUES[0].name]
    )
    bootstrap.create_resources(prefix)
    test_queues_redrive_and_keep_messages_as_in_aws(prod, prefix)


def test_subscriptions_copy_as_in_aws(prod: Synthesized, prefix: str) -> None:
    names = [topic.name for topic in TOPICS]
    assert _topics_of_api(prefix, names) == _only(_topics_of_template(prod), prefix, names)


def test_tables_have_the_keys_and_indexes_of_aws(prod: Synthesized, prefix: str) -> None:
    names = [table.name for table in TABLES]
    assert _tables_of_api(prefix, names) == _only(_tables_of_template(prod), prefix, names)


def test_buckets_have_the_names_of_aws(prod: Synthesized, prefix: str) -> None:
    made = {one["Properties"]["BucketName"] for one in prod.resources("AWS::S3::Bucket").values()}
    found = {bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]}
    ours = {physical_name(prefix, bucket.name) for bucket in BUCKETS}
    assert ours <= made
    assert ours <= found


def _only(seen: _Seen, prefix: str, names: Iterable[str]) -> _Seen:
    return {physical_name(prefix, name): seen[physical_name(prefix, name)] for name in names}


def _queues_of_api(prefix: str, names: Iterable[str]) -> _Seen:
    sqs = client("sqs")
    seen = {}
    for name in names:
        url = sqs.get_queue_url(QueueName=physical_name(prefix, name))["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        redrive = json.loads(found.get("RedrivePolicy", "{}"))
        seen[physical_name(prefix, name)] = _queue(
            int(found["VisibilityTimeout"]), int(found["MessageRetentionPeriod"]), redrive
        )
    return seen


def _queues_of_template(prod: Synthesized) -> _Seen:
    name_by_arn = _names(prod, "AWS::SQS::Queue", "QueueName", "<{}.Arn>")
    seen = {}
    for resource in prod.resources("AWS::SQS::Queue").values():
        properties = resource["Properties"]
        redrive = dict(properties.get("RedrivePolicy", {}))
        if redrive:
            redrive["deadLetterTargetArn"] = name_by_arn[as_text(redrive["deadLetterTargetArn"])]
        seen[properties["QueueName"]] = _queue(
            properties.get("VisibilityTimeout", _DEFAULT_VISIBILITY_SECONDS),
            properties["MessageRetentionPeriod"],
            redrive,
        )
    return seen


def _queue(visibility: int, retention: int, redrive: Mapping[str, Any]) -> _Seen:
    return {
        "visibility": visibility,
        "retention": retention,
        "dead letters": _last(redrive.get("deadLetterTargetArn")),
        "receives": int(redrive["maxReceiveCount"]) if redrive else None,
    }


def _topics_of_api(prefix: str, names: Iterable[str]) -> _Seen:
    sns = client("sns")
    pages = sns.get_paginator("list_subscriptions").paginate()
    wanted = {physical_name(prefix, name) for name in names}
    seen: _Seen = {}
    for subscription in [one for page in pages for one in page["Subscriptions"]]:
        topic = _last(subscription["TopicArn"])
        if topic in wanted:
            arn = subscription["SubscriptionArn"]
            found = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
            seen.setdefault(topic, {})[_last(subscription["Endpoint"])] = {
                "protocol": subscription["Protocol"],
                "raw": found["RawMessageDelivery"] == "true",
                "dead letters": _last(json.loads(found["RedrivePolicy"])["deadLetterTargetArn"]),
            }
    return seen


def _topics_of_template(prod: Synthesized) -> _Seen:
    queues = _names(prod, "AWS::SQS::Queue", "QueueName", "<{}.Arn>")
    topics = _names(prod, "AWS::SNS::Topic", "TopicName", "<{}>")
    seen: _Seen = {}
    for resource in prod.resources("AWS::SNS::Subscription").values():
        properties = resource["Properties"]
        topic = topics.get(as_text(properties["TopicArn"]))
        if topic is not None:
            seen.setdefault(topic, {})[queues[as_text(properties["Endpoint"])]] = {
                "protocol": properties["Protocol"],
                "raw": properties["RawMessageDelivery"],
                "dead letters": queues[as_text(properties["RedrivePolicy"]["deadLetterTargetArn"])],
            }
    return seen


def _tables_of_api(prefix: str, names: Iterable[str]) -> _Seen:
    dynamodb = client("dynamodb")
    seen = {}
    for name in names:
        table = physical_name(prefix, name)
        expiry = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        found = dynamodb.describe_table(TableName=table)["Table"]
        billing = found["BillingModeSummary"]["BillingMode"]
        seen[table] = _table({**found, "BillingMode": billing}, expiry.get("AttributeName"))
    return seen


def _tables_of_template(prod: Synthesized) -> _Seen:
    return {
        properties["TableName"]: _table(
            properties, properties.get("TimeToLiveSpecification", {}).get("AttributeName")
        )
        for properties in (
            resource["Properties"] for resource in prod.resources("AWS::DynamoDB::Table").values()
        )
    }


def _table(found: Mapping[str, Any], expires_by: str | None) -> _Seen:
    return {
        "keys": found["KeySchema"],
        "types": {
            one["AttributeName"]: one["AttributeType"] for one in found["AttributeDefinitions"]
        },
        "indexes": {
            index["IndexName"]: (index["KeySchema"], index["Projection"]["ProjectionType"])
            for index in found.get("GlobalSecondaryIndexes") or []
        },
        "billing": found["BillingMode"],
        "expires by": expires_by,
    }


def _names(prod: Synthesized, kind: str, name: str, reference: str) -> dict[str, str]:
    return {
        reference.format(logical_id): resource["Properties"][name]
        for logical_id, resource in prod.resources(kind).items()
    }


def _last(arn: str | None) -> str | None:
    return arn.rpartition(":")[2] if arn else None
