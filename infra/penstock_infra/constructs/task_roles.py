"""The two roles of a task: what its code may do, and what ECS does to start it."""

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

from penstock_infra.arns import Names, use_of_key
from penstock_infra.constructs.roles import granted_role, role
from penstock_infra.grants import Grant

_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


def _tasks_of_this_account() -> iam.IPrincipal:
    return iam.ServicePrincipal(
        "ecs-tasks.amazonaws.com",
        conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
    )


def task_role(
    scope: Construct,
    *,
    name: str,
    grants: Sequence[Grant],
    names: Names,
    key_arn: str,
    sends_traces: bool,
) -> iam.IRole:
    """What a command's code may do; with a collector beside it, also to send traces and metrics."""
    return granted_role(
        scope,
        "task-role",
        principal=_tasks_of_this_account(),
        description=f"What {name} of {names.prefix} may do",
        grants=grants,
        names=names,
        key_arn=key_arn,
        more=_collector(names) if sends_traces else (),
    )


def _collector(names: Names) -> list[iam.PolicyStatement]:
    group = f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:"
    metrics = f"{group}/penstock/{names.prefix}/metrics"
    return [
        # X-Ray has no resources for what it takes.
        iam.PolicyStatement(
            actions=["xray:PutTraceSegments", "xray:PutTelemetryRecords"], resources=["*"]
        ),
        iam.PolicyStatement(
            actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            resources=[metrics, f"{metrics}:*"],
        ),
    ]


def execution_role(
    scope: Construct,
    *,
    name: str,
    repository_arns: list[str],
    log_group_arn: str,
    secret_arns: list[str],
    key_arn: str,
) -> iam.IRole:
    """Let ECS pull the images, hand over the secrets and write the log of one command."""
    written = [
        # A token for the registry as a whole is the only kind there is.
        iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
        iam.PolicyStatement(actions=list(_PULL), resources=repository_arns),
        iam.PolicyStatement(
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[f"{log_group_arn}"],
        ),
        use_of_key(key_arn, ("secretsmanager", "ecr")),
    ]
    if secret_arns:
        written.append(
            iam.PolicyStatement(
                actions=["secretsmanager:GetSecretValue"], resources=list(secret_arns)
            )
        )
    return role(
        scope,
        "execution-role",
        principal=_tasks_of_this_account(),
        description=f"How ECS starts {name}",
        written=written,
    )
