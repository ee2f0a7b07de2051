"""The stack that keeps things: network, key, topics, queues, tables, buckets, Aurora, secrets."""

from aws_cdk import CfnOutput, Environment, Stack
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from penstock_infra import extras
from penstock_infra.arns import Names
from penstock_infra.config import MIGRATIONS, Deployment
from penstock_infra.constructs.aurora import Aurora
from penstock_infra.constructs.buckets import Buckets
from penstock_infra.constructs.channels import Channels
from penstock_infra.constructs.deployer import Deployer
from penstock_infra.constructs.endpoints import Endpoints
from penstock_infra.constructs.firewalls import MIGRATIONS_GROUP, Firewalls
from penstock_infra.constructs.key import customer_key
from penstock_infra.constructs.log_groups import log_group, log_path
from penstock_infra.constructs.migrations import Migrations
from penstock_infra.constructs.network import Network, subnet_ids
from penstock_infra.constructs.registry import Registry
from penstock_infra.constructs.secrets import API_TOKENS, SNOWFLAKE, Secrets
from penstock_infra.constructs.tables import Tables


class DataStack(Stack):
    """What outlives a deployment of code.

    Its parts are attributes, by Penstock's names: `channels.queues["inference"]`,
    `tables.tables["latest"]`, `buckets.buckets["lake"]`.
    """

    def __init__(
        self, scope: Construct, name: str, *, deployment: Deployment, env: Environment | None = None
    ) -> None:
        """Create everything that holds data or carries it."""
        super().__init__(
            scope, name, env=env, description="Penstock: network, channels, tables, buckets, Aurora"
        )
        self.deployment = deployment
        self.key = customer_key(self, "key", deployment)
        self.network = Network(self, "network", deployment=deployment, key=self.key)
        self.endpoints = Endpoints(self, "endpoints", deployment=deployment, network=self.network)
        self.firewalls = Firewalls(
            self, "firewalls", deployment=deployment, network=self.network, endpoints=self.endpoints
        )
        self.channels = Channels(self, "channels", prefix=deployment.name_prefix, key=self.key)
        self.tables = Tables(self, "tables", deployment=deployment, key=self.key)
        self.buckets = Buckets(self, "buckets", deployment=deployment, key=self.key)
        self.registry = Registry(self, "registry", deployment=deployment, key=self.key)
        self.secrets = Secrets(self, "secrets", deployment=deployment, key=self.key)
        self.aurora = Aurora(
            self,
            "aurora",
            deployment=deployment,
            network=self.network,
            group=self.firewalls.aurora,
            key=self.key,
        )
        self.cluster = self._add_cluster()
        self.migrations = Migrations(
            self,
            MIGRATIONS,
            deployment=deployment,
            registry=self.registry,
            aurora=self.aurora,
            key=self.key,
        )
        if deployment.github_repository is not None:
            Deployer(self, "deployer", deployment=deployment, names=Names(deployment.name_prefix))
        extras.add_to_data(self)
        self._add_outputs()

    def _add_cluster(self) -> ecs.Cluster:
        # Container Insights counts the tasks that autoscaling divides by.
        log_group(
            self, "insights", deployment=self.deployment, key=self.key,
            path=f"/aws/ecs/containerinsights/{self.deployment.name_prefix}/performance",
        )  # fmt: skip
        log_group(
            self, "metrics", deployment=self.deployment, key=self.key,
            path=log_path(self.deployment, "metrics"),
        )  # fmt: skip
        return ecs.Cluster(
            self,
            "cluster",
            cluster_name=self.deployment.name_prefix,
            vpc=self.network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
            enable_fargate_capacity_providers=True,
        )

    def _add_outputs(self) -> None:
        """How the migrations are run, and where people put the API tokens."""
        subnets = subnet_ids(self.network.vpc, self.network.places.inner)
        told = {
            "ClusterName": self.cluster.cluster_name,
            "MigrationsTask": self.migrations.task.task_definition_arn,
            "MigrationsSubnets": ",".join(subnets),
            "MigrationsGroup": self.firewalls.groups[MIGRATIONS_GROUP].security_group_id,
            "ApiTokensSecret": self.secrets.secrets[API_TOKENS].secret_arn,
            "SnowflakeSecret": self.secrets.secrets[SNOWFLAKE].secret_arn,
        }
        for name, value in told.items():
            CfnOutput(self, name, value=value)
