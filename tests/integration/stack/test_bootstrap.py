import boto3
import psycopg
import pytest
from penstock import resources
from penstock.channel import Queue, Topic
from penstock.resources import Bucket, Index, Table
from penstock_local import bootstrap, canaries
from penstock_local.aws_resources import Wanted, client, create_all
from penstock_local.canaries import SubscriptionUnproved

AURORA = Queue("aurora", visibility_seconds=45, max_receives=7, retention_seconds=86400)
LAKE = Queue("lake")
WANTED = Wanted(
    topics=[Topic("predictions", (AURORA, LAKE))],
    queues=[AURORA, LAKE],
    tables=[
        Table("ledger", "pack_id", "hop", ttl="expires_at"),
        Table("jobs", "job_id", indexes=(Index("by-creation", "listing", "created_at"),)),
    ],
    buckets=[Bucket("archive")],
)


@pytest.fixture
def prefix(aws_environment: str, request: pytest.FixtureRequest) -> str:
    return f"t{abs(hash(request.node.name)) % 10**9}"


def attributes_of(name: str) -> dict[str, str]:
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    found: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
        "Attributes"
    ]
    return found


def test_a_queue_has_what_its_channel_says_and_a_dead_letter_queue(prefix: str) -> None:
    create_all(prefix, WANTED)

    attributes = attributes_of(f"{prefix}-aurora")
    assert attributes["VisibilityTimeout"] == "45"
    assert attributes["MessageRetentionPeriod"] == "86400"
    assert f"{prefix}-aurora-dlq" in attributes["RedrivePolicy"]
    assert '"7"' in attributes["RedrivePolicy"]
    assert attributes_of(f"{prefix}-aurora-dlq")["MessageRetentionPeriod"] == str(14 * 86400)


def test_every_subscription_is_raw_and_has_a_dead_letter_queue_of_its_own(prefix: str) -> None:
    created = create_all(prefix, WANTED)

    sns = client("sns")
    found = [
        sns.get_subscription_attributes(SubscriptionArn=each.arn)["Attributes"]
        for each in created.subscriptions
    ]
    assert [each["RawMessageDelivery"] for each in found] == ["true", "true"]
    assert [each["RedrivePolicy"].split(prefix)[1] for each in found] == [
        '-predictions-to-aurora-dlq"}',
        '-predictions-to-lake-dlq"}',
    ]


def test_a_canary_proves_each_subscription_once_and_leaves_nothing(prefix: str) -> None:
    created = create_all(prefix, WANTED)

    assert canaries.prove(created.subscriptions) == 2
    assert canaries.prove(create_all(prefix, WANTED).subscriptions) == 0
    # The canary for `lake` went to `aurora` as well, where a consumer acks it unread.
    assert attributes_of(f"{prefix}-lake")["ApproximateNumberOfMessages"] == "0"


def test_a_subscription_that_delivers_nothing_is_named(prefix: str) -> None:
    created = create_all(prefix, WANTED)
    client("sns").unsubscribe(SubscriptionArn=created.subscriptions[1].arn)

    with pytest.raises(SubscriptionUnproved, match=f"{prefix}-lake"):
        canaries.prove(created.subscriptions, tries=1)


def test_what_waits_in_a_queue_is_not_taken_for_a_canary(prefix: str) -> None:
    created = create_all(prefix, WANTED)
    url = created.queue_urls[f"{prefix}-aurora"]
    client("sqs").send_message(QueueUrl=url, MessageBody='{"version":1,"kind":"readings"}')

    canaries.prove(created.subscriptions)

    bodies = client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert '{"version":1,"kind":"readings"}' in {each["Body"] for each in bodies}


def test_a_second_run_makes_nothing_new_and_repairs_what_is_missing(prefix: str) -> None:
    first = create_all(prefix, WANTED)
    assert create_all(prefix, WANTED).new_count == 0

    client("sqs").delete_queue(QueueUrl=first.queue_urls[f"{prefix}-lake-dlq"])
    client("dynamodb").delete_table(TableName=f"{prefix}-jobs")
    repaired = create_all(prefix, WANTED)

    assert (repaired.count, repaired.new_count) == (first.count, 2)


def test_an_index_is_in_order_of_time(prefix: str) -> None:
    create_all(prefix, WANTED)
    table = boto3.resource("dynamodb").Table(f"{prefix}-jobs")
    for job, at in (("b", 20), ("a", 3), ("c", 100)):
        table.put_item(Item={"job_id": job, "listing": "job", "created_at": at})

    found = table.query(
        IndexName="by-creation",
        KeyConditionExpression=boto3.dynamodb.conditions.Key("listing").eq("job"),
    )

    assert [item["job_id"] for item in found["Items"]] == ["a", "b", "c"]


def test_all_resources_of_penstock_can_be_made(prefix: str) -> None:
    summary = bootstrap.create_resources(prefix)
    subscriptions = sum(len(topic.subscribers) for topic in resources.TOPICS)
    assert f"{subscriptions} subscriptions proved" in summary
    assert "0 new; 0 subscriptions proved" in bootstrap.create_resources(prefix)


def test_migrating_twice_changes_nothing(empty_dsn: str) -> None:
    bootstrap.migrate(empty_dsn)
    bootstrap.migrate(empty_dsn)
    with psycopg.connect(empty_dsn) as connection:
        versions = connection.execute("select count(*) from alembic_version").fetchone()
    assert versions == (1,)
