"""Devices that send by MQTT: who may connect and say what, and the rules that carry it on.

A message goes two ways: as it is to the lake, by Firehose, and to ingest-api like any gateway's
request. The second way leads through a queue, so that a device's message outlives an outage.
"""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct
from penstock.resources import physical_name

from penstock_infra.arns import here, use_of_key
from penstock_infra.constructs.service_role import service_role

_SQL_VERSION = "2016-03-23"
_INGEST_SQL = "SELECT * FROM '{topics}'"
# Base64, since a payload need not be JSON to be kept.
_LAKE_SQL = (
    "SELECT topic(3) AS thing, topic() AS topic, timestamp() AS received_at,"
    " encode(*, 'base64') AS payload FROM '{topics}'"
)
_THING = "${iot:Connection.Thing.ThingName}"
_Rule = iot.CfnTopicRule

READINGS_QUEUE, ERRORS_QUEUE = "device-readings", "devices-dlq"
VISIBILITY_SECONDS = 60
MAX_RECEIVES = 100
"""One receive a minute: an outage of ingest-api may last so many minutes."""


class Devices(Construct):
    """Thing group, policy, queues and rules; `errors` keeps what could not go on."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        prefix: str,
        key: kms.IKey,
        delivery_stream: firehose.CfnDeliveryStream | None,
        feeds_ingest: bool,
    ) -> None:
        """Create what devices need, and a rule for each way that their messages go."""
        super().__init__(scope, name)
        self._prefix = prefix
        self.topics = f"{prefix}/readings/+"
        iot.CfnThingGroup(self, "group", thing_group_name=f"{prefix}-devices")
        self._add_policy()
        self.errors = self._add_queue(ERRORS_QUEUE, key)
        self.readings = self._add_readings_queue(key) if feeds_ingest else None
        role = service_role(
            self,
            "role",
            name=f"{prefix}-device-rules",
            service="iot",
            statements=self._statements(key, delivery_stream),
        )
        self._error_action = self._send_to(self.errors, role)
        if delivery_stream is not None:
            self._add_lake_rule(delivery_stream, role)
        if self.readings is not None:
            self._add_rule(
                "ingest",
                "Hands messages of devices to ingest-api",
                sql=_INGEST_SQL,
                action=self._send_to(self.readings, role),
            )

    def _add_policy(self) -> None:
        """Let a certificate connect as its own thing and publish to that thing's topic alone."""
        iot.CfnPolicy(
            self,
            "policy",
            policy_name=f"{self._prefix}-device",
            policy_document={
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "iot:Connect",
                        "Resource": here("iot", f"client/{_THING}"),
                        "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": "true"}},
                    },
                    {
                        "Effect": "Allow",
                        "Action": "iot:Publish",
                        "Resource": here("iot", f"topic/{self._prefix}/readings/{_THING}"),
                    },
                ],
            },
        )

    def _add_readings_queue(self, key: kms.IKey) -> sqs.Queue:
        return self._add_queue(
            READINGS_QUEUE,
            key,
            dead_letters=sqs.DeadLetterQueue(queue=self.errors, max_receive_count=MAX_RECEIVES),
        )

    def _add_queue(
        self, name: str, key: kms.IKey, dead_letters: sqs.DeadLetterQueue | None = None
    ) -> sqs.Queue:
        return sqs.Queue(
            self,
            name,
            queue_name=physical_name(self._prefix, name),
            visibility_timeout=Duration.seconds(VISIBILITY_SECONDS),
            retention_period=Duration.days(14),
            dead_letter_queue=dead_letters,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            data_key_reuse=Duration.hours(1),
            enforce_ssl=True,
        )

    def _statements(
        self, key: kms.IKey, delivery_stream: firehose.CfnDeliveryStream | None
    ) -> Sequence[iam.PolicyStatement]:
        queues = [self.errors] if self.readings is None else [self.errors, self.readings]
        statements = [
            iam.PolicyStatement(
                sid="SendOn",
                actions=["sqs:SendMessage"],
                resources=[queue.queue_arn for queue in queues],
            ),
            use_of_key(key.key_arn, ("sqs",)),
        ]
        if delivery_stream is not None:
            statements.append(
                iam.PolicyStatement(
                    sid="ToTheLake",
                    actions=["firehose:PutRecord", "firehose:PutRecordBatch"],
                    resources=[
                        here("firehose", f"deliverystream/{delivery_stream.delivery_stream_name}")
                    ],
                )
            )
        return statements

    def _add_lake_rule(self, delivery_stream: firehose.CfnDeliveryStream, role: iam.Role) -> None:
        put = _Rule.FirehoseActionProperty(
            delivery_stream_name=delivery_stream.ref, role_arn=role.role_arn, separator="\n"
        )
        self._add_rule(
            "lake",
            "Lands every message of a device in the lake, whatever it says",
            sql=_LAKE_SQL,
            action=_Rule.ActionProperty(firehose=put),
        )

    def _add_rule(
        self, name: str, description: str, *, sql: str, action: iot.CfnTopicRule.ActionProperty
    ) -> None:
        _Rule(
            self,
            f"rule-{name}",
            # Names of rules have no hyphens.
            rule_name=f"{self._prefix}_{name}".replace("-", "_"),
            topic_rule_payload=_Rule.TopicRulePayloadProperty(
                description=description,
                sql=sql.format(topics=self.topics),
                aws_iot_sql_version=_SQL_VERSION,
                rule_disabled=False,
                actions=[action],
                error_action=self._error_action,
            ),
        )

    def _send_to(self, queue: sqs.Queue, role: iam.Role) -> iot.CfnTopicRule.ActionProperty:
        return _Rule.ActionProperty(
            sqs=_Rule.SqsActionProperty(
                queue_url=queue.queue_url, role_arn=role.role_arn, use_base64=False
            )
        )
