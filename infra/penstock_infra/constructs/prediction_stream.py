"""Every change of the latest predictions: DynamoDB's stream to Kinesis, Firehose and the lake.

Other systems may read the Kinesis stream; the lake keeps what each change was.
"""

from typing import cast

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from constructs import Construct
from penstock.resources import LAKE, physical_name

from penstock_infra.arns import here
from penstock_infra.config import Deployment
from penstock_infra.constructs.firehose import (
    deliver_to_lake,
    encryption,
    errors_prefix,
    objects_prefix,
    stream_log,
)
from penstock_infra.constructs.lake_readers import bucket_arn
from penstock_infra.constructs.service_role import service_role

ROOT = "latest-changes"
_KEPT_HOURS = 72
"""A weekend: so long may Firehose be away before a change is lost to the lake."""
_BUFFER_SECONDS, _BUFFER_MIB = 300, 64
_Config = firehose.CfnDeliveryStream


class PredictionStream(Construct):
    """`stream` carries one record of JSON per change; the lake has them a line each, gzipped."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        deployment: Deployment,
        table: dynamodb.Table,
        key: kms.IKey,
    ) -> None:
        """Create both streams and tell the table of the first."""
        super().__init__(scope, name)
        self._prefix = deployment.name_prefix
        self.stream_name = physical_name(self._prefix, ROOT)
        self.stream = kinesis.CfnStream(
            self,
            "stream",
            name=self.stream_name,
            retention_period_hours=_KEPT_HOURS,
            stream_mode_details=kinesis.CfnStream.StreamModeDetailsProperty(
                stream_mode="ON_DEMAND"
            ),
            stream_encryption=kinesis.CfnStream.StreamEncryptionProperty(
                encryption_type="KMS", key_id=key.key_arn
            ),
        )
        _copy_changes(table, self.stream)
        group, log = stream_log(self, deployment=deployment, key=key, name=ROOT)
        role = service_role(
            self,
            "role",
            name=physical_name(self._prefix, ROOT),
            service="firehose",
            statements=[
                self._read_stream(),
                *deliver_to_lake(self._prefix, root=ROOT, key=key, log=group),
            ],
        )
        self._add_delivery(role, key, log)

    def _read_stream(self) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            sid="ReadStream",
            actions=[
                "kinesis:DescribeStream", "kinesis:GetShardIterator", "kinesis:GetRecords",
                "kinesis:ListShards",
            ],
            resources=[here("kinesis", f"stream/{self.stream_name}")],
        )  # fmt: skip

    def _add_delivery(
        self,
        role: iam.Role,
        key: kms.IKey,
        log: firehose.CfnDeliveryStream.CloudWatchLoggingOptionsProperty,
    ) -> None:
        destination = _Config.ExtendedS3DestinationConfigurationProperty(
            bucket_arn=bucket_arn(self._prefix, LAKE.name),
            role_arn=role.role_arn,
            prefix=objects_prefix(ROOT),
            error_output_prefix=errors_prefix(ROOT),
            buffering_hints=_Config.BufferingHintsProperty(
                interval_in_seconds=_BUFFER_SECONDS, size_in_m_bs=_BUFFER_MIB
            ),
            compression_format="GZIP",
            encryption_configuration=encryption(key),
            cloud_watch_logging_options=log,
            processing_configuration=_a_line_each(),
        )
        # What Firehose holds meanwhile is under the key of the stream that it reads.
        _Config(
            self,
            "delivery",
            delivery_stream_name=self.stream_name,
            delivery_stream_type="KinesisStreamAsSource",
            kinesis_stream_source_configuration=_Config.KinesisStreamSourceConfigurationProperty(
                kinesis_stream_arn=self.stream.attr_arn, role_arn=role.role_arn
            ),
            extended_s3_destination_configuration=destination,
        )


def _copy_changes(table: dynamodb.Table, stream: kinesis.CfnStream) -> None:
    raw = cast(dynamodb.CfnTable, table.node.default_child)
    raw.kinesis_stream_specification = dynamodb.CfnTable.KinesisStreamSpecificationProperty(
        stream_arn=stream.attr_arn, approximate_creation_date_time_precision="MICROSECOND"
    )


def _a_line_each() -> firehose.CfnDeliveryStream.ProcessingConfigurationProperty:
    # Without parameters the delimiter is a line's end.
    processor = _Config.ProcessorProperty(type="AppendDelimiterToRecord")
    return _Config.ProcessingConfigurationProperty(enabled=True, processors=[processor])
