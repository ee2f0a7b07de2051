"""What crawlers and jobs of Glue share: everything they write is under our key."""

from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from penstock_infra.arns import here


def secured(scope: Construct, *, prefix: str, key: kms.IKey) -> str:
    """Make a security configuration of Glue with our key for all it writes; return its name."""
    name = f"{prefix}-{scope.node.id}"
    encryption = glue.CfnSecurityConfiguration.EncryptionConfigurationProperty(
        cloud_watch_encryption=glue.CfnSecurityConfiguration.CloudWatchEncryptionProperty(
            cloud_watch_encryption_mode="SSE-KMS", kms_key_arn=key.key_arn
        ),
        job_bookmarks_encryption=glue.CfnSecurityConfiguration.JobBookmarksEncryptionProperty(
            job_bookmarks_encryption_mode="CSE-KMS", kms_key_arn=key.key_arn
        ),
        s3_encryptions=[
            glue.CfnSecurityConfiguration.S3EncryptionProperty(
                s3_encryption_mode="SSE-KMS", kms_key_arn=key.key_arn
            )
        ],
    )
    made = glue.CfnSecurityConfiguration(
        scope, "security", name=name, encryption_configuration=encryption
    )
    return made.ref


def write_glue_logs(kind: str) -> iam.PolicyStatement:
    """Write logs where Glue writes them; the groups are Glue's and not of our naming."""
    return iam.PolicyStatement(
        sid="GlueLogs",
        actions=[
            "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
            "logs:AssociateKmsKey",
        ],
        resources=[here("logs", f"log-group:/aws-glue/{kind}*")],
    )  # fmt: skip


def encrypt_glue_logs(key_arn: str) -> iam.PolicyStatement:
    """Encrypt those logs and the job's bookmarks, which Glue does itself with the role."""
    return iam.PolicyStatement(
        sid="GlueKey",
        actions=["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"],
        resources=[key_arn],
    )
