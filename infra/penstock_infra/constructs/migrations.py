"""The task that brings Aurora to the newest schema: run once before a deployment of code."""

from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from penstock_infra.arns import Names
from penstock_infra.config import MIGRATIONS, Deployment
from penstock_infra.constructs.aurora import Aurora
from penstock_infra.constructs.log_groups import log_group, log_path
from penstock_infra.constructs.registry import Registry
from penstock_infra.constructs.task_roles import execution_role, task_role
from penstock_infra.environment import USER


class Migrations(Construct):
    """A task definition and no service; it enters as the master, whose password RDS changes."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        deployment: Deployment,
        registry: Registry,
        aurora: Aurora,
        key: kms.IKey,
    ) -> None:
        """Define the task."""
        super().__init__(scope, name)
        names = Names(deployment.name_prefix)
        logs = log_group(
            self, "logs", deployment=deployment, key=key,
            path=log_path(deployment, MIGRATIONS),
        )  # fmt: skip
        master = secretsmanager.Secret.from_secret_complete_arn(
            self, "master", aurora.master_secret_arn
        )
        self.task = ecs.FargateTaskDefinition(
            self,
            "task",
            family=f"{deployment.name_prefix}-{MIGRATIONS}",
            cpu=256,
            memory_limit_mib=512,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64,
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
            task_role=task_role(
                self, name=MIGRATIONS, grants=(), names=names,
                key_arn=key.key_arn, sends_traces=False,
            ),
            execution_role=execution_role(
                self,
                name=MIGRATIONS,
                repository_arns=[registry.images[MIGRATIONS].repository_arn],
                log_group_arn=logs.log_group_arn,
                secret_arns=[aurora.master_secret_arn],
                key_arn=key.key_arn,
            ),
        )  # fmt: skip
        self.task.add_container(
            MIGRATIONS,
            image=ecs.ContainerImage.from_registry(registry.image_uri(MIGRATIONS)),
            # libpq takes from its own variables what the DSN leaves out.
            environment={
                "PENSTOCK_AURORA_DSN": aurora.master_dsn,
                "PENSTOCK_AURORA_ROOT_CERTIFICATE": deployment.aurora.root_certificate,
            },
            secrets={
                "PGUSER": ecs.Secret.from_secrets_manager(master, "username"),
                "PGPASSWORD": ecs.Secret.from_secrets_manager(master, "password"),
            },
            logging=ecs.LogDriver.aws_logs(stream_prefix=MIGRATIONS, log_group=logs),
            readonly_root_filesystem=True,
            user=USER,
        )
