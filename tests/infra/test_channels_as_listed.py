"""Queues, topics, tables and buckets are those of `penstock.resources`, setting by setting."""

from typing import Any

from penstock.resources import BUCKETS, QUEUES, TABLES, TOPICS, physical_name
from penstock_local.aws_resources import table_request

from tests.infra.reading import as_text, statements_of
from tests.infra.synthesis import Synthesized

PREFIX = "penstock-prod"
FOURTEEN_DAYS = 14 * 24 * 3600


def _by_name(prod: Synthesized, kind: str, name: str) -> dict[str, tuple[str, dict[str, Any]]]:
    return {
        resource["Properties"][name]: (logical_id, resource["Properties"])
        for logical_id, resource in prod.resources(kind).items()
    }


def test_every_queue_has_its_settings_and_dead_letters(prod: Synthesized) -> None:
    made = _by_name(prod, "AWS::SQS::Queue", "QueueName")
    for queue in QUEUES:
        _, properties = made[physical_name(PREFIX, queue.name)]
        dead_id, dead = made[physical_name(PREFIX, queue.dead_letter_name)]
        assert properties["VisibilityTimeout"] == queue.visibility_seconds
        assert properties["MessageRetentionPeriod"] == queue.retention_seconds
        assert properties["RedrivePolicy"]["maxReceiveCount"] == queue.max_receives
        target = as_text(properties["RedrivePolicy"]["deadLetterTargetArn"])
        assert target == f"<{dead_id}.Arn>"
        assert dead["MessageRetentionPeriod"] == FOURTEEN_DAYS


def test_every_subscription_is_raw_and_has_dead_letters_of_its_own(prod: Synthesized) -> None:
    queues = _by_name(prod, "AWS::SQS::Queue", "QueueName")
    topics = _by_name(prod, "AWS::SNS::Topic", "TopicName")
    subscriptions = {
        (as_text(p["TopicArn"]), as_text(p["Endpoint"])): p
        for p in (r["Properties"] for r in prod.resources("AWS::SNS::Subscription").values())
    }
    expected = [(topic, queue) for topic in TOPICS for queue in topic.subscribers]
    assert len(subscriptions) == len(expected)
    for topic, queue in expected:
        topic_id, _ = topics[physical_name(PREFIX, topic.name)]
        queue_id, _ = queues[physical_name(PREFIX, queue.name)]
        dead_id, _ = queues[physical_name(PREFIX, topic.subscription_dead_letter_name(queue))]
        properties = subscriptions[f"<{topic_id}>", f"<{queue_id}.Arn>"]
        assert properties["RawMessageDelivery"] is True
        assert as_text(properties["RedrivePolicy"]["deadLetterTargetArn"]) == f"<{dead_id}.Arn>"


def test_no_queue_is_there_that_nobody_listed(prod: Synthesized) -> None:
    listed = {physical_name(PREFIX, q.name) for q in QUEUES}
    listed |= {physical_name(PREFIX, q.dead_letter_name) for q in QUEUES}
    listed |= {
        physical_name(PREFIX, topic.subscription_dead_letter_name(queue))
        for topic in TOPICS
        for queue in topic.subscribers
    }
    made = {
        name
        for name in _by_name(prod, "AWS::SQS::Queue", "QueueName")
        if "schedule" not in name and "device" not in name
    }
    assert made == listed


def test_a_queue_takes_messages_from_its_topic_alone_and_over_tls(prod: Synthesized) -> None:
    queues = prod.resources("AWS::SQS::Queue")
    policies = prod.resources("AWS::SQS::QueuePolicy")
    guarded = {as_text(policy["Properties"]["Queues"][0]) for policy in policies.values()}
    topics = {f"<{logical_id}>" for logical_id in prod.resources("AWS::SNS::Topic")}
    assert len(guarded) == len(queues)
    for policy in policies.values():
        allowed = []
        denies_plain = False
        for statement in statements_of(policy["Properties"]["PolicyDocument"]):
            if statement["Effect"] == "Deny":
                plain = {"Bool": {"aws:SecureTransport": "false"}}
                denies_plain = denies_plain or statement["Condition"] == plain
            else:
                allowed.append(statement)
        assert denies_plain
        for statement in allowed:
            assert statement["Action"] == "sqs:SendMessage"
            assert as_text(statement["Condition"]["ArnEquals"]["aws:SourceArn"]) in topics


def test_tables_are_those_of_the_embedded_stack_and_better_kept(prod: Synthesized) -> None:
    made = _by_name(prod, "AWS::DynamoDB::Table", "TableName")
    assert set(made) == {physical_name(PREFIX, table.name) for table in TABLES}
    for table in TABLES:
        name = physical_name(PREFIX, table.name)
        _, properties = made[name]
        request = table_request(name, table)
        assert properties["KeySchema"] == request["KeySchema"]
        assert _sorted(properties["AttributeDefinitions"]) == _sorted(
            request["AttributeDefinitions"]
        )
        assert properties.get("GlobalSecondaryIndexes") == request.get("GlobalSecondaryIndexes")
        assert properties["BillingMode"] == request["BillingMode"]
        ttl = {"AttributeName": table.ttl, "Enabled": True} if table.ttl else None
        assert properties.get("TimeToLiveSpecification") == ttl
        recovery = properties["PointInTimeRecoverySpecification"]
        assert recovery["PointInTimeRecoveryEnabled"] is True
        assert properties["SSESpecification"]["SSEType"] == "KMS"
        assert properties["DeletionProtectionEnabled"] is True


def _sorted(attributes: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(attributes, key=lambda one: one["AttributeName"])


def test_buckets_are_encrypted_closed_and_logged(prod: Synthesized) -> None:
    made = _by_name(prod, "AWS::S3::Bucket", "BucketName")
    for bucket in BUCKETS:
        _, properties = made[physical_name(PREFIX, bucket.name)]
        (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
        assert properties["LoggingConfiguration"]["LogFilePrefix"] == f"s3/{bucket.name}/"
    for _, properties in made.values():
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(prod.resources("AWS::S3::BucketPolicy")) == len(made)
    for policy in prod.resources("AWS::S3::BucketPolicy").values():
        conditions = [
            s.get("Condition")
            for s in statements_of(policy["Properties"]["PolicyDocument"])
            if s["Effect"] == "Deny"
        ]
        assert {"Bool": {"aws:SecureTransport": "false"}} in conditions
