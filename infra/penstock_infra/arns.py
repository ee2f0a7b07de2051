"""Grants as statements of IAM: resources by the deployment's prefix, in any region."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from penstock.resources import physical_name

from penstock_infra.grants import Grant, Kind

_KEY_USERS = ("sqs", "sns", "s3", "dynamodb", "secretsmanager", "sagemaker", "ecr")
"""Services through which a role may use the customer key."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one deployment; `database_id` is Aurora's resource id, which only AWS knows."""

    prefix: str
    database_id: str = ""
    roles: Mapping[str, str] | None = None
    """ARNs by the name that a grant of kind `role` uses."""

    def arns(self, kind: Kind, names: Sequence[str]) -> list[str]:
        """ARNs of the named resources."""
        if kind == "anything":
            return ["*"]
        if kind == "role":
            return [(self.roles or {})[name] for name in names]
        return [_PATTERNS[kind](self, name) for name in names]

    def physical(self, name: str) -> str:
        """Name in AWS."""
        return physical_name(self.prefix, name)

    def index_arn(self, name: str) -> str:
        """ARN of an index, `name` being `table/index`."""
        table, _, index = name.partition("/")
        return here("dynamodb", f"table/{self.physical(table)}/index/{index}")

    def objects_arn(self, name: str) -> str:
        """ARN of objects, `name` being `bucket/key prefix`."""
        bucket, _, key = name.partition("/")
        return f"arn:{Aws.PARTITION}:s3:::{self.physical(bucket)}/{key}"

    def user_arn(self, user: str) -> str:
        """ARN of a user of Aurora."""
        return here("rds-db", f"dbuser:{self.database_id}/{user}")


def here(service: str, resource: str) -> str:
    """ARN of something of this account and region."""
    return f"arn:{Aws.PARTITION}:{service}:{Aws.REGION}:{Aws.ACCOUNT_ID}:{resource}"


_PATTERNS: Mapping[Kind, Callable[[Names, str], str]] = {
    "topic": lambda names, name: here("sns", names.physical(name)),
    "queue": lambda names, name: here("sqs", names.physical(name)),
    "table": lambda names, name: here("dynamodb", f"table/{names.physical(name)}"),
    "index": Names.index_arn,
    "bucket": lambda names, name: f"arn:{Aws.PARTITION}:s3:::{names.physical(name)}",
    "objects": Names.objects_arn,
    "secret": lambda _, name: here("secretsmanager", f"secret:penstock/{name}"),
    "machine": lambda names, name: here("states", f"stateMachine:{names.physical(name)}"),
    "execution": lambda names, name: here("states", f"execution:{names.physical(name)}:*"),
    "endpoint": lambda names, name: here("sagemaker", f"endpoint/{names.physical(name)}"),
    "endpoint-config": lambda names, name: here(
        "sagemaker", f"endpoint-config/{names.physical(name)}"
    ),
    "model": lambda names, name: here("sagemaker", f"model/{names.physical(name)}"),
    "training-job": lambda names, name: here("sagemaker", f"training-job/{names.physical(name)}"),
    # SageMaker writes all trainings of an account into one group, a stream each.
    "training-log-group": lambda _, name: here("logs", f"log-group:/aws/sagemaker/{name}:*"),
    "endpoint-logs": lambda names, name: here(
        "logs", f"log-group:/aws/sagemaker/Endpoints/{names.physical(name)}:*"
    ),
    "training-logs": lambda names, name: here(
        "logs", f"log-group:/aws/sagemaker/TrainingJobs:log-stream:{names.physical(name)}"
    ),
    "task": lambda names, name: here("ecs", f"task/{names.prefix}/{name}"),
    "database-user": Names.user_arn,
    "repository": lambda names, name: here("ecr", f"repository/{names.prefix}/{name}"),
}


def statements(grants: Sequence[Grant], names: Names, key_arn: str) -> list[iam.PolicyStatement]:
    """Write grants as statements, and the use of the customer key that comes with them."""
    made = [
        iam.PolicyStatement(
            actions=list(grant.actions),
            resources=[key_arn] if grant.kind == "key" else names.arns(grant.kind, grant.names),
            conditions=_CONDITIONS.get(grant.kind),
        )
        for grant in grants
    ]
    has_tables = any(grant.kind in {"table", "index"} for grant in grants)
    return [*made, use_of_key(key_arn, has_tables=has_tables)]


_CONDITIONS: Mapping[Kind, Mapping[str, Any]] = {
    "role": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    "key": {
        "Bool": {"kms:GrantIsForAWSResource": "true"},
        "StringEquals": {"kms:ViaService": [f"sagemaker.{Aws.REGION}.amazonaws.com"]},
    },
}


def use_of_key(
    key_arn: str,
    services: Sequence[str] = _KEY_USERS,
    *,
    has_tables: bool = False,
    reads_only: bool = False,
) -> iam.PolicyStatement:
    """Let a role use the customer key, through services of AWS and not by itself."""
    through = [f"{service}.{Aws.REGION}.amazonaws.com" for service in services]
    actions = ["kms:Decrypt"] if reads_only else ["kms:Decrypt", "kms:GenerateDataKey"]
    if has_tables:
        actions += ["kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:DescribeKey"]
    return iam.PolicyStatement(
        actions=actions,
        resources=[key_arn],
        conditions={"StringEquals": {"kms:ViaService": through}},
    )
