"""Buckets as `penstock.resources` lists them, and one for the logs of access to them."""

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct
from penstock.resources import ARCHIVE, BUCKETS, LAKE, TRAINING, Bucket, physical_name

from penstock_infra.config import Deployment

LOGS = "access-logs"
_OLD_VERSION_DAYS = {ARCHIVE.name: 90, LAKE.name: 7, TRAINING.name: 30}
"""How long what was overwritten or deleted can be had back. Compaction deletes much of the lake."""
_COOL_DAYS = {ARCHIVE.name: 90, LAKE.name: 180, TRAINING.name: 90}
"""After how long an object is rarely read: it costs less to keep and more to read."""


class Buckets(Construct):
    """Every bucket by Penstock's name, and `logs`."""

    def __init__(
        self, scope: Construct, name: str, *, deployment: Deployment, key: kms.IKey
    ) -> None:
        """Create every bucket."""
        super().__init__(scope, name)
        self._deployment = deployment
        self._key = key
        self._removal = RemovalPolicy.RETAIN if deployment.protected else RemovalPolicy.DESTROY
        self.logs = self._add_logs()
        self.buckets: dict[str, s3.Bucket] = {bucket.name: self._add(bucket) for bucket in BUCKETS}

    def _add(self, bucket: Bucket) -> s3.Bucket:
        return s3.Bucket(
            self,
            bucket.name,
            bucket_name=physical_name(self._deployment.name_prefix, bucket.name),
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self._key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            server_access_logs_bucket=self.logs,
            server_access_logs_prefix=f"s3/{bucket.name}/",
            lifecycle_rules=[_lifecycle(bucket)],
            removal_policy=self._removal,
        )

    def _add_logs(self) -> s3.Bucket:
        """Who read and asked what; load balancers write to buckets under S3's own key only."""
        logs = s3.Bucket(
            self,
            LOGS,
            bucket_name=physical_name(self._deployment.name_prefix, LOGS),
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(365))],
            removal_policy=self._removal,
        )
        logs.add_to_resource_policy(
            iam.PolicyStatement(
                sid="LoadBalancerWritesItsLog",
                principals=[iam.ServicePrincipal("logdelivery.elasticloadbalancing.amazonaws.com")],
                actions=["s3:PutObject"],
                resources=[logs.arn_for_objects(f"alb/AWSLogs/{Aws.ACCOUNT_ID}/*")],
            )
        )
        return logs


def _lifecycle(bucket: Bucket) -> s3.LifecycleRule:
    return s3.LifecycleRule(
        transitions=[
            s3.Transition(
                storage_class=s3.StorageClass.INFREQUENT_ACCESS,
                transition_after=Duration.days(_COOL_DAYS[bucket.name]),
            )
        ],
        noncurrent_version_expiration=Duration.days(_OLD_VERSION_DAYS[bucket.name]),
        abort_incomplete_multipart_upload_after=Duration.days(7),
        expired_object_delete_marker=True,
    )
