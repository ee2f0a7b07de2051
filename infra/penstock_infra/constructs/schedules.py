"""Messages sent by the clock: one schedule for each line of SCHEDULES, with dead letters."""

from collections.abc import Mapping, Sequence

from aws_cdk import Aws, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct
from penstock.command import Schedule
from penstock.resources import physical_name

from penstock_infra.arns import Names, use_of_key
from penstock_infra.constructs.channels import DEAD_LETTER_RETENTION
from penstock_infra.constructs.roles import role

DEAD_LETTERS = "schedules-dlq"
_OLDEST_SECONDS = 900
"""After so long an order of the clock is given up: the next one does the same."""


class Schedules(Construct):
    """Schedules and the queue of orders that could not be sent; nothing where there are none."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        schedules: Sequence[Schedule],
        queues: Mapping[str, sqs.IQueue],
        names: Names,
        key: kms.IKey,
    ) -> None:
        """Create a schedule for each."""
        super().__init__(scope, name)
        if not schedules:
            return
        dead_letters = sqs.Queue(
            self,
            "dead-letters",
            queue_name=physical_name(names.prefix, DEAD_LETTERS),
            retention_period=DEAD_LETTER_RETENTION,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            data_key_reuse=Duration.hours(1),
            enforce_ssl=True,
        )
        targets = [*dict.fromkeys(queues[one.queue.name].queue_arn for one in schedules)]
        sender = _sender(self, [*targets, dead_letters.queue_arn], key)
        group = scheduler.CfnScheduleGroup(self, "group", name=names.prefix)
        for schedule in schedules:
            made = scheduler.CfnSchedule(
                self,
                schedule.name,
                name=schedule.name,
                group_name=names.prefix,
                schedule_expression=schedule.rate,
                schedule_expression_timezone="UTC",
                kms_key_arn=key.key_arn,
                flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
                target=scheduler.CfnSchedule.TargetProperty(
                    arn=queues[schedule.queue.name].queue_arn,
                    role_arn=sender.role_arn,
                    input=schedule.body,
                    dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(
                        arn=dead_letters.queue_arn
                    ),
                    retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                        maximum_event_age_in_seconds=_OLDEST_SECONDS, maximum_retry_attempts=5
                    ),
                ),
            )
            made.add_dependency(group)


def _sender(scope: Construct, queue_arns: Sequence[str], key: kms.IKey) -> iam.IRole:
    return role(
        scope,
        "role",
        principal=iam.ServicePrincipal(
            "scheduler.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
        ),
        description="What the clock may send to",
        written=[
            iam.PolicyStatement(actions=["sqs:SendMessage"], resources=list(queue_arns)),
            use_of_key(key.key_arn, ("sqs", "scheduler")),
        ],
    )
