"""Devices: each speaks for itself alone, every message lands, and none is lost on the way."""

from typing import Any

import pytest
from penstock_client.devices.kit import Device
from penstock_infra.glue_tables import DEVICE_MESSAGES

from tests.infra.everything import GATEWAY_KEY, TRANSFORM
from tests.infra.reading import as_list, as_text, statements_of
from tests.infra.synthesis import Synthesized

PREFIX = "penstock-prod"
KEY = "<keyFEDD6EC0.Arn>"
HERE = "arn:<AWS::Partition>:iot:<AWS::Region>:<AWS::AccountId>"
THING = "${iot:Connection.Thing.ThingName}"


def properties(synthesized: Synthesized, kind: str, name: str) -> list[dict[str, Any]]:
    found = [one["Properties"] for one in synthesized.resources(kind).values()]
    return sorted(found, key=lambda one: as_text(one[name]))


def statements_of_role(synthesized: Synthesized, name: str) -> dict[str, dict[str, Any]]:
    for one in synthesized.resources("AWS::IAM::Role").values():
        if one["Properties"].get("RoleName") == f"{PREFIX}-{name}":
            (inline,) = one["Properties"]["Policies"]
            return {s.get("Sid", ""): dict(s) for s in statements_of(inline["PolicyDocument"])}
    raise AssertionError(f"no role {name}")


def test_a_device_connects_and_publishes_as_itself_alone(everything: Synthesized) -> None:
    (policy,) = properties(everything, "AWS::IoT::Policy", "PolicyName")
    assert policy["PolicyName"] == f"{PREFIX}-device"
    connect, publish = statements_of(policy["PolicyDocument"])
    assert as_text(connect["Resource"]) == f"{HERE}:client/{THING}"
    assert connect["Condition"] == {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}
    assert as_text(publish["Resource"]) == f"{HERE}:topic/{PREFIX}/readings/{THING}"
    assert (connect["Action"], publish["Action"]) == ("iot:Connect", "iot:Publish")
    (group,) = properties(everything, "AWS::IoT::ThingGroup", "ThingGroupName")
    assert group["ThingGroupName"] == f"{PREFIX}-devices"


def test_every_message_goes_to_the_lake_with_the_columns_of_its_table(
    everything: Synthesized,
) -> None:
    _, lake = properties(everything, "AWS::IoT::TopicRule", "RuleName")
    payload = lake["TopicRulePayload"]
    named = [part.rpartition(" AS ")[2] for part in payload["Sql"].split(" FROM ")[0].split(", ")]
    # The comma of encode(*, 'base64') parts one column in two.
    assert [name for name in named if "(" not in name] == [c.name for c in DEVICE_MESSAGES.columns]
    (action,) = payload["Actions"]
    assert action["Firehose"]["Separator"] == "\n"
    assert payload["Sql"].endswith(f"FROM '{PREFIX}/readings/+'")


def test_what_a_rule_cannot_hand_on_is_kept(everything: Synthesized) -> None:
    queues = everything.resources("AWS::SQS::Queue")
    for rule in properties(everything, "AWS::IoT::TopicRule", "RuleName"):
        url = as_text(rule["TopicRulePayload"]["ErrorAction"]["Sqs"]["QueueUrl"])
        kept = queues[url.strip("<>")]["Properties"]
        assert kept["QueueName"] == f"{PREFIX}-devices-dlq"
        assert kept["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert as_text(kept["KmsMasterKeyId"]) == KEY


def test_the_queue_before_ingest_api_outlasts_an_outage_of_an_hour(everything: Synthesized) -> None:
    (queue,) = (
        one["Properties"]
        for one in everything.resources("AWS::SQS::Queue").values()
        if one["Properties"]["QueueName"] == f"{PREFIX}-device-readings"
    )
    tries = queue["RedrivePolicy"]["maxReceiveCount"]
    assert tries * queue["VisibilityTimeout"] > 3600


def test_ingest_api_is_called_as_a_gateway_whose_key_no_template_has(
    everything: Synthesized,
) -> None:
    (connection,) = properties(everything, "AWS::Events::Connection", "Name")
    header = connection["AuthParameters"]["ApiKeyAuthParameters"]
    assert header["ApiKeyName"] == "X-API-Key"
    resolved = f"{{{{resolve:secretsmanager:{GATEWAY_KEY}:SecretString:key::}}}}"
    assert as_text(header["ApiKeyValue"]) == resolved
    assert as_text(connection["KmsKeyIdentifier"]) == KEY
    (destination,) = properties(everything, "AWS::Events::ApiDestination", "Name")
    assert destination["InvocationEndpoint"] == "https://penstock.example.com/v1/readings"
    assert destination["InvocationRateLimitPerSecond"] == 40
    (pipe,) = properties(everything, "AWS::Pipes::Pipe", "Name")
    assert pipe["TargetParameters"]["InputTemplate"] == "<$.body>"
    statements = statements_of_role(everything, "device-ingest")
    assert statements["CallIngestApi"]["Action"] == "events:InvokeApiDestination"


def test_the_key_may_keep_the_connections_secret(everything: Synthesized) -> None:
    (key,) = properties(everything, "AWS::KMS::Key", "Description")
    assert {"Key": "EventBridgeApiDestinations", "Value": "true"} in key["Tags"]


def test_without_a_gateways_key_messages_land_in_the_lake_alone(prod: Synthesized) -> None:
    rules = properties(prod, "AWS::IoT::TopicRule", "RuleName")
    assert [rule["RuleName"] for rule in rules] == ["penstock_prod_lake"]
    assert not prod.resources("AWS::Pipes::Pipe")
    assert "SendOn" in statements_of_role(prod, "device-rules")


def stream_named(synthesized: Synthesized, name: str) -> dict[str, Any]:
    kind = "AWS::KinesisFirehose::DeliveryStream"
    return next(
        one
        for one in properties(synthesized, kind, "DeliveryStreamName")
        if one["DeliveryStreamName"] == f"{PREFIX}-{name}"
    )


def test_messages_are_gathered_as_told_and_become_parquet(
    prod: Synthesized, everything: Synthesized
) -> None:
    for synthesized, seconds, mib in ((prod, 60, 64), (everything, 120, 128)):
        stream = stream_named(synthesized, "device-messages")
        told = stream["ExtendedS3DestinationConfiguration"]
        assert told["BufferingHints"] == {"IntervalInSeconds": seconds, "SizeInMBs": mib}
        conversion = told["DataFormatConversionConfiguration"]
        serializer = conversion["OutputFormatConfiguration"]["Serializer"]
        assert serializer == {"ParquetSerDe": {"Compression": "SNAPPY"}}
        schema = conversion["SchemaConfiguration"]
        assert (schema["DatabaseName"], schema["TableName"]) == ("penstock_prod", "device_messages")
        key = stream["DeliveryStreamEncryptionConfigurationInput"]
        assert (key["KeyType"], as_text(key["KeyARN"])) == ("CUSTOMER_MANAGED_CMK", KEY)


def test_a_function_of_ones_own_sees_records_first_where_one_is_named(
    prod: Synthesized, everything: Synthesized
) -> None:
    plain = stream_named(prod, "device-messages")["ExtendedS3DestinationConfiguration"]
    assert "ProcessingConfiguration" not in plain
    told = stream_named(everything, "device-messages")["ExtendedS3DestinationConfiguration"]
    (processor,) = told["ProcessingConfiguration"]["Processors"]
    values = {one["ParameterName"]: one["ParameterValue"] for one in processor["Parameters"]}
    assert (processor["Type"], values["LambdaArn"]) == ("Lambda", TRANSFORM)
    allowed = statements_of_role(everything, "delivery")["Transform"]["Resource"]
    assert allowed == [TRANSFORM, f"{TRANSFORM}:*"]


@pytest.mark.parametrize("root", ["device-messages", "latest-changes"])
def test_objects_stand_by_hour_and_errors_apart_from_them(
    everything: Synthesized, root: str
) -> None:
    told = stream_named(everything, root)["ExtendedS3DestinationConfiguration"]
    hour = "dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
    assert told["Prefix"] == f"{root}/{hour}"
    assert told["ErrorOutputPrefix"] == f"errors/{root}/!{{firehose:error-output-type}}/{hour}"
    encryption = told["EncryptionConfiguration"]["KMSEncryptionConfig"]
    assert as_text(encryption["AWSKMSKeyARN"]) == KEY
    assert told["CloudWatchLoggingOptions"]["Enabled"] is True


def test_changes_of_the_latest_predictions_go_through_kinesis_to_the_lake(
    everything: Synthesized,
) -> None:
    ((logical_id, stream),) = everything.resources("AWS::Kinesis::Stream").items()
    encryption = stream["Properties"]["StreamEncryption"]
    assert (encryption["EncryptionType"], as_text(encryption["KeyId"])) == ("KMS", KEY)
    copied = [
        (one["Properties"]["TableName"], one["Properties"]["KinesisStreamSpecification"])
        for one in everything.resources("AWS::DynamoDB::Table").values()
        if "KinesisStreamSpecification" in one["Properties"]
    ]
    ((table, told),) = copied
    assert (table, as_text(told["StreamArn"])) == (f"{PREFIX}-latest", f"<{logical_id}.Arn>")
    delivery = stream_named(everything, "latest-changes")
    source = delivery["KinesisStreamSourceConfiguration"]
    assert as_text(source["KinesisStreamARN"]) == f"<{logical_id}.Arn>"
    told = delivery["ExtendedS3DestinationConfiguration"]
    assert told["ProcessingConfiguration"]["Processors"] == [{"Type": "AppendDelimiterToRecord"}]


@pytest.mark.parametrize("name", ["delivery", "latest-changes"])
def test_firehose_writes_its_folder_and_its_errors_alone(
    everything: Synthesized, name: str
) -> None:
    statements = statements_of_role(everything, name)
    root = "device-messages" if name == "delivery" else name
    assert [as_text(arn) for arn in as_list(statements["WriteObjects"]["Resource"])] == [
        f"arn:<AWS::Partition>:s3:::{PREFIX}-lake/{root}/*",
        f"arn:<AWS::Partition>:s3:::{PREFIX}-lake/errors/{root}/*",
    ]


def test_a_device_with_our_kit_fits_policy_group_and_rules(everything: Synthesized) -> None:
    device = Device(
        thing="station-1", endpoint="a1b2-ats.iot.eu-west-1.amazonaws.com", prefix=PREFIX
    )
    (policy,) = properties(everything, "AWS::IoT::Policy", "PolicyName")
    (group,) = properties(everything, "AWS::IoT::ThingGroup", "ThingGroupName")
    assert (policy["PolicyName"], group["ThingGroupName"]) == (device.policy, device.thing_group)
    _, publish = statements_of(policy["PolicyDocument"])
    allowed = as_text(publish["Resource"]).partition(":topic/")[2]
    assert allowed.replace(THING, device.thing) == device.topic
    for rule in properties(everything, "AWS::IoT::TopicRule", "RuleName"):
        wanted = rule["TopicRulePayload"]["Sql"].rpartition("'")[0].rpartition("'")[2]
        assert wanted.replace("+", device.thing) == device.topic
