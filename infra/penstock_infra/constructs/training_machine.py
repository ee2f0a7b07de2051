"""The state machine that owns the order of a training job, from the one definition there is."""

from pathlib import Path

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct
from penstock.resources import JOBS, STATE_MACHINE, physical_name

from penstock_infra.arns import Names
from penstock_infra.config import Deployment
from penstock_infra.constructs.log_groups import log_group
from penstock_infra.constructs.roles import granted_role
from penstock_infra.permissions import STATE_MACHINE_GRANTS

DEFINITION = (
    Path(__file__).parents[3]
    / "services/training-orchestrator/training_orchestrator/state_machine.asl.json"
)


def definition() -> str:
    """Amazon States Language with its places left open, also that of the partition."""
    return DEFINITION.read_text().replace("arn:aws:states:::", "arn:${partition}:states:::")


class TrainingMachine(Construct):
    """The state machine with its log and role."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        deployment: Deployment,
        key: kms.IKey,
        names: Names,
        commands: sqs.IQueue,
        prepare: sqs.IQueue,
    ) -> None:
        """Create the state machine under the name that the services look for."""
        super().__init__(scope, name)
        prefix = deployment.name_prefix
        group = log_group(
            self, "logs", deployment=deployment, key=key,
            path=f"/aws/vendedlogs/states/{prefix}-{STATE_MACHINE}",
        )  # fmt: skip
        self.role = granted_role(
            self,
            "role",
            principal=iam.ServicePrincipal(
                "states.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            ),
            description=f"What the training state machine of {prefix} may do",
            grants=STATE_MACHINE_GRANTS,
            names=names,
            key_arn=key.key_arn,
            more=_logs_and_traces(),
        )
        self.machine = sfn.StateMachine(
            self,
            "machine",
            state_machine_name=physical_name(prefix, STATE_MACHINE),
            definition_body=sfn.DefinitionBody.from_string(definition()),
            definition_substitutions={
                "jobs_table": physical_name(prefix, JOBS.name),
                "commands_queue_url": commands.queue_url,
                "prepare_queue_url": prepare.queue_url,
                "partition": Aws.PARTITION,
            },
            role=self.role,
            logs=sfn.LogOptions(
                destination=group, level=sfn.LogLevel.ALL, include_execution_data=True
            ),
            tracing_enabled=True,
        )


def _logs_and_traces() -> list[iam.PolicyStatement]:
    """None of these calls knows resources in IAM."""
    return [
        iam.PolicyStatement(
            actions=[
                "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery",
                "logs:DeleteLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy",
                "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
            ],
            resources=["*"],
        ),
        iam.PolicyStatement(
            actions=[
                "xray:PutTraceSegments", "xray:PutTelemetryRecords",
                "xray:GetSamplingRules", "xray:GetSamplingTargets",
            ],
            resources=["*"],
        ),
    ]  # fmt: skip
