"""The Athena workgroup: limited scans, encrypted results, ready queries, and who may ask."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_athena as athena
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct
from penstock.resources import physical_name

from penstock_infra.arns import use_of_key
from penstock_infra.config import Deployment
from penstock_infra.constructs.catalog import Catalog
from penstock_infra.constructs.lake_readers import RESULTS, ask_athena, read_lake
from penstock_infra.queries import named_queries

_GIB = 1024**3


class Athena(Construct):
    """Where analysts ask; nobody can send results elsewhere or scan past the limit."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        deployment: Deployment,
        catalog: Catalog,
        key: kms.IKey,
        access_logs: s3.IBucket,
    ) -> None:
        """Create the workgroup and all around it."""
        super().__init__(scope, name)
        self._deployment = deployment
        self._prefix = deployment.name_prefix
        self.results = self._add_results(key, access_logs)
        self.workgroup = self._add_workgroup(key)
        self._add_queries(catalog)
        self.analysts = iam.ManagedPolicy(
            self,
            "analysts",
            managed_policy_name=f"{self._prefix}-analyst",
            description="Ask Athena about readings and predictions",
            statements=[
                *read_lake(self._prefix),
                *ask_athena(self._prefix),
                use_of_key(key.key_arn, ("s3", "athena")),
            ],
        )

    def _add_results(self, key: kms.IKey, access_logs: s3.IBucket) -> s3.Bucket:
        return s3.Bucket(
            self,
            "results",
            bucket_name=physical_name(self._prefix, RESULTS),
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix=f"s3/{RESULTS}/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=Duration.days(self._deployment.analytics.result_days),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                )
            ],
            removal_policy=RemovalPolicy.RETAIN
            if self._deployment.protected
            else RemovalPolicy.DESTROY,
        )

    def _add_workgroup(self, key: kms.IKey) -> athena.CfnWorkGroup:
        encryption = athena.CfnWorkGroup.EncryptionConfigurationProperty(
            encryption_option="SSE_KMS", kms_key=key.key_arn
        )
        return athena.CfnWorkGroup(
            self,
            "workgroup",
            name=self._prefix,
            description=f"Questions to the lake of {self._prefix}",
            recursive_delete_option=not self._deployment.protected,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=self._deployment.analytics.gib_per_query * _GIB,
                engine_version=athena.CfnWorkGroup.EngineVersionProperty(
                    selected_engine_version="Athena engine version 3"
                ),
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=f"s3://{self.results.bucket_name}/",
                    encryption_configuration=encryption,
                ),
            ),
        )

    def _add_queries(self, catalog: Catalog) -> None:
        for query in named_queries(catalog.database_name):
            made = athena.CfnNamedQuery(
                self,
                query.name,
                name=query.name,
                description=query.description,
                database=catalog.database_name,
                query_string=query.sql,
                work_group=self._prefix,
            )
            made.add_dependency(self.workgroup)
