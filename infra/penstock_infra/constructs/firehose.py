"""What all Firehose streams into the lake share: places, permissions, logs, encryption."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct
from penstock.resources import LAKE

from penstock_infra.arns import use_of_key
from penstock_infra.config import Deployment
from penstock_infra.constructs.lake_readers import bucket_arn
from penstock_infra.constructs.log_groups import log_group, log_path

ERRORS = "errors"
_HOUR = "dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
"""Partition of an object, by the arrival of its first record; Firehose fills it in, in UTC."""

_Config = firehose.CfnDeliveryStream


def objects_prefix(root: str) -> str:
    """Where objects stand: like those that the code writes itself."""
    return f"{root}/{_HOUR}"


def errors_prefix(root: str) -> str:
    """Where records go that could not be changed or converted, with the reason."""
    return f"{ERRORS}/{root}/!{{firehose:error-output-type}}/{_HOUR}"


def encryption(key: kms.IKey) -> firehose.CfnDeliveryStream.EncryptionConfigurationProperty:
    """Objects under our key."""
    return _Config.EncryptionConfigurationProperty(
        kms_encryption_config=_Config.KMSEncryptionConfigProperty(awskms_key_arn=key.key_arn)
    )


def stream_log(
    scope: Construct, *, deployment: Deployment, key: kms.IKey, name: str
) -> tuple[logs.LogGroup, firehose.CfnDeliveryStream.CloudWatchLoggingOptionsProperty]:
    """Make the log that says why a delivery failed."""
    path = log_path(deployment, f"firehose-{name}")
    group = log_group(scope, "log", deployment=deployment, key=key, path=path)
    stream = logs.LogStream(scope, "log-stream", log_group=group, log_stream_name="delivery")
    options = _Config.CloudWatchLoggingOptionsProperty(
        enabled=True,
        log_group_name=group.log_group_name,
        log_stream_name=stream.log_stream_name,
    )
    return group, options


def deliver_to_lake(
    prefix: str, *, root: str, key: kms.IKey, log: logs.LogGroup
) -> list[iam.PolicyStatement]:
    """Write objects of one folder and its errors."""
    bucket = bucket_arn(prefix, LAKE.name)
    return [
        iam.PolicyStatement(
            sid="WriteObjects",
            actions=["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"],
            resources=[f"{bucket}/{root}/*", f"{bucket}/{ERRORS}/{root}/*"],
        ),
        iam.PolicyStatement(
            sid="FindBucket",
            actions=["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
            resources=[bucket],
        ),
        iam.PolicyStatement(
            sid="WriteLog", actions=["logs:PutLogEvents"], resources=[log.log_group_arn]
        ),
        use_of_key(key.key_arn, ("s3", "kinesis")),
    ]
