"""The one customer key that encrypts everything at rest, and who of AWS may use it."""

from typing import cast

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from penstock_infra.config import Deployment

SERVICES_OF_AWS = ("sns", "cloudwatch", "scheduler", "events", "iot", "firehose")
"""Services that write into our encrypted queues and topics, or deliver for us."""


def customer_key(scope: Construct, name: str, deployment: Deployment) -> kms.IKey:
    """Return the deployment's own key where it names one, else make one that rotates yearly.

    A key of one's own must let the same services in; infra/README.md lists the statements.
    """
    if deployment.key_arn is not None:
        return kms.Key.from_key_arn(scope, name, deployment.key_arn)
    key = kms.Key(
        scope,
        name,
        alias=f"alias/{deployment.name_prefix}",
        description=f"Everything of {deployment.name_prefix} at rest",
        enable_key_rotation=True,
        removal_policy=RemovalPolicy.RETAIN if deployment.protected else RemovalPolicy.DESTROY,
    )
    key.add_to_resource_policy(_services_statement())
    key.add_to_resource_policy(_logs_statement())
    return cast(kms.IKey, key)


def _services_statement() -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid="ServicesOfThisAccount",
        principals=[iam.ServicePrincipal(f"{one}.amazonaws.com") for one in SERVICES_OF_AWS],
        actions=["kms:Decrypt", "kms:GenerateDataKey"],
        resources=["*"],
        conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
    )


def _logs_statement() -> iam.PolicyStatement:
    groups = f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:*"
    return iam.PolicyStatement(
        sid="LogGroupsOfThisAccount",
        principals=[iam.ServicePrincipal(f"logs.{Aws.REGION}.amazonaws.com")],
        actions=[
            "kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo",
            "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey",
        ],
        resources=["*"],
        conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
    )  # fmt: skip
