"""Aurora PostgreSQL, Serverless v2: encrypted, private, TLS only, entered by tokens of IAM."""

from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from constructs import Construct

from penstock_infra.config import Deployment
from penstock_infra.constructs.log_groups import log_group
from penstock_infra.constructs.network import Network

DATABASE = "penstock"
MASTER = "penstock_master"
SERVICE_USER = "penstock_service"
"""Whom the services are in Aurora; migrations make it, and IAM alone lets it in."""
PORT = 5432
_ENGINE = rds.DatabaseClusterEngine.aurora_postgres(
    version=rds.AuroraPostgresEngineVersion.VER_17_7
)


class Aurora(Construct):
    """The cluster, and the secret of its master, which RDS changes every week by itself."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        deployment: Deployment,
        network: Network,
        group: ec2.SecurityGroup,
        key: kms.IKey,
    ) -> None:
        """Create the cluster."""
        super().__init__(scope, name)
        self._deployment = deployment
        self.cluster = self._add_cluster(network, group, key)
        raw = cast(rds.CfnDBCluster, self.cluster.node.default_child)
        _keep_password_in_rds(self.cluster, raw, key)
        self.master_secret_arn = raw.attr_master_user_secret_secret_arn
        self.resource_id = raw.attr_db_cluster_resource_id
        place = f"host={self.cluster.cluster_endpoint.hostname} port={PORT} dbname={DATABASE}"
        # Also where a command is not told by which authorities: libpq then finds none and refuses.
        self.master_dsn = f"{place} sslmode=verify-full"
        self.service_dsn = f"{self.master_dsn} user={SERVICE_USER}"

    def _add_cluster(
        self, network: Network, group: ec2.SecurityGroup, key: kms.IKey
    ) -> rds.DatabaseCluster:
        size, is_protected = self._deployment.aurora, self._deployment.protected
        name = f"{self._deployment.name_prefix}-aurora"
        # RDS would make the group itself, open-ended and under no key of ours.
        logs = log_group(
            self,
            "logs",
            deployment=self._deployment,
            key=key,
            path=f"/aws/rds/cluster/{name}/postgresql",
        )
        cluster = rds.DatabaseCluster(
            self,
            "cluster",
            cluster_identifier=name,
            engine=_ENGINE,
            credentials=rds.Credentials.from_username(MASTER),
            default_database_name=DATABASE,
            port=PORT,
            writer=rds.ClusterInstance.serverless_v2("writer"),
            readers=[
                rds.ClusterInstance.serverless_v2(f"reader-{number}", scale_with_writer=number == 1)
                for number in range(1, size.readers + 1)
            ],
            serverless_v2_min_capacity=size.least_units,
            serverless_v2_max_capacity=size.most_units,
            vpc=network.vpc,
            vpc_subnets=network.places.data,
            security_groups=[group],
            parameter_group=self._parameters(),
            iam_authentication=True,
            storage_encrypted=True,
            storage_encryption_key=key,
            backup=rds.BackupProps(retention=Duration.days(size.backup_days)),
            copy_tags_to_snapshot=True,
            deletion_protection=is_protected,
            removal_policy=RemovalPolicy.SNAPSHOT if is_protected else RemovalPolicy.DESTROY,
            cloudwatch_logs_exports=["postgresql"],
            enable_performance_insights=True,
            performance_insight_encryption_key=key,
        )
        cluster.node.add_dependency(logs)
        return cluster

    def _parameters(self) -> rds.ParameterGroup:
        return rds.ParameterGroup(
            self,
            "parameters",
            engine=_ENGINE,
            description="TLS for everybody, slow statements in the log",
            parameters={
                "rds.force_ssl": "1",
                "log_min_duration_statement": "1000",
                "log_connections": "1",
                "idle_in_transaction_session_timeout": "60000",
            },
        )


def _keep_password_in_rds(
    cluster: rds.DatabaseCluster, raw: rds.CfnDBCluster, key: kms.IKey
) -> None:
    # CDK would make a secret that needs a function of our own to rotate; RDS does both itself.
    cluster.node.try_remove_child("Secret")
    raw.master_username = MASTER
    raw.master_user_password = None
    raw.manage_master_user_password = True
    raw.master_user_secret = rds.CfnDBCluster.MasterUserSecretProperty(kms_key_id=key.key_arn)
