"""Firehose that lands every message of a device in the lake as Parquet, whatever it says."""

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from constructs import Construct
from penstock.resources import LAKE, physical_name

from penstock_infra.config import Deployment
from penstock_infra.constructs.catalog import Catalog
from penstock_infra.constructs.firehose import (
    deliver_to_lake,
    encryption,
    errors_prefix,
    objects_prefix,
    stream_log,
)
from penstock_infra.constructs.lake_readers import bucket_arn, look_up_tables
from penstock_infra.constructs.service_role import service_role
from penstock_infra.glue_tables import DEVICE_MESSAGES, database_name

_Config = firehose.CfnDeliveryStream
_TABLE = DEVICE_MESSAGES


class Delivery(Construct):
    """`stream` takes records of JSON with the columns of table `device_messages`."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        deployment: Deployment,
        catalog: Catalog,
        key: kms.IKey,
    ) -> None:
        """Create the stream, its role and its log."""
        super().__init__(scope, name)
        self._prefix = deployment.name_prefix
        self._told = deployment.delivery
        group, log = stream_log(self, deployment=deployment, key=key, name=_TABLE.root)
        role = service_role(
            self,
            "role",
            name=f"{self._prefix}-delivery",
            service="firehose",
            statements=[
                *deliver_to_lake(self._prefix, root=_TABLE.root, key=key, log=group),
                look_up_tables(self._prefix, [_TABLE.name]),
                *self._call_transform(),
            ],
        )
        self.stream = _Config(
            self,
            "stream",
            delivery_stream_name=physical_name(self._prefix, _TABLE.root),
            delivery_stream_type="DirectPut",
            delivery_stream_encryption_configuration_input=_own_key(key),
            extended_s3_destination_configuration=self._destination(role, key, log),
        )
        self.stream.add_dependency(catalog.tables[_TABLE.name])

    def _destination(
        self,
        role: iam.Role,
        key: kms.IKey,
        log: firehose.CfnDeliveryStream.CloudWatchLoggingOptionsProperty,
    ) -> firehose.CfnDeliveryStream.ExtendedS3DestinationConfigurationProperty:
        return _Config.ExtendedS3DestinationConfigurationProperty(
            bucket_arn=bucket_arn(self._prefix, LAKE.name),
            role_arn=role.role_arn,
            prefix=objects_prefix(_TABLE.root),
            error_output_prefix=errors_prefix(_TABLE.root),
            file_extension=".parquet",
            buffering_hints=_Config.BufferingHintsProperty(
                interval_in_seconds=self._told.buffer_seconds, size_in_m_bs=self._told.buffer_mib
            ),
            # Parquet compresses its own pages; the object around them is left as it is.
            compression_format="UNCOMPRESSED",
            encryption_configuration=encryption(key),
            cloud_watch_logging_options=log,
            processing_configuration=self._transform(role),
            data_format_conversion_configuration=self._to_parquet(role),
        )

    def _to_parquet(
        self, role: iam.Role
    ) -> firehose.CfnDeliveryStream.DataFormatConversionConfigurationProperty:
        reads = _Config.DeserializerProperty(
            open_x_json_ser_de=_Config.OpenXJsonSerDeProperty(case_insensitive=True)
        )
        writes = _Config.SerializerProperty(
            parquet_ser_de=_Config.ParquetSerDeProperty(compression="SNAPPY")
        )
        return _Config.DataFormatConversionConfigurationProperty(
            enabled=True,
            input_format_configuration=_Config.InputFormatConfigurationProperty(deserializer=reads),
            output_format_configuration=_Config.OutputFormatConfigurationProperty(
                serializer=writes
            ),
            schema_configuration=_Config.SchemaConfigurationProperty(
                catalog_id=Aws.ACCOUNT_ID,
                database_name=database_name(self._prefix),
                table_name=_TABLE.name,
                region=Aws.REGION,
                role_arn=role.role_arn,
                version_id="LATEST",
            ),
        )

    def _transform(
        self, role: iam.Role
    ) -> firehose.CfnDeliveryStream.ProcessingConfigurationProperty | None:
        if self._told.transform_arn is None:
            return None
        told = {
            "LambdaArn": self._told.transform_arn,
            "RoleArn": role.role_arn,
            "NumberOfRetries": "3",
            "BufferSizeInMBs": "1",
            "BufferIntervalInSeconds": "60",
        }
        processor = _Config.ProcessorProperty(
            type="Lambda",
            parameters=[
                _Config.ProcessorParameterProperty(parameter_name=key, parameter_value=value)
                for key, value in told.items()
            ],
        )
        return _Config.ProcessingConfigurationProperty(enabled=True, processors=[processor])

    def _call_transform(self) -> list[iam.PolicyStatement]:
        arn = self._told.transform_arn
        if arn is None:
            return []
        return [
            iam.PolicyStatement(
                sid="Transform",
                actions=["lambda:InvokeFunction", "lambda:GetFunctionConfiguration"],
                resources=[arn, f"{arn}:*"],
            )
        ]


def _own_key(
    key: kms.IKey,
) -> firehose.CfnDeliveryStream.DeliveryStreamEncryptionConfigurationInputProperty:
    return _Config.DeliveryStreamEncryptionConfigurationInputProperty(
        key_type="CUSTOMER_MANAGED_CMK", key_arn=key.key_arn
    )
