"""One command of Penstock as a Fargate service: its task, its roles, how it starts and stops."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct
from penstock.command import Command, OnBacklog

from penstock_infra.arns import Names
from penstock_infra.config import COLLECTOR, Deployment
from penstock_infra.constructs.collector import add_collector
from penstock_infra.constructs.log_groups import log_group, log_path
from penstock_infra.constructs.registry import Registry
from penstock_infra.constructs.task_roles import execution_role, task_role
from penstock_infra.environment import (
    USER,
    WORK_FOLDER,
    Facts,
    secret_variables,
    variables,
)
from penstock_infra.permissions import GRANTS
from penstock_infra.sizes import least_tasks

_WORK_VOLUME = "work"
_LONG_WORK_DISK_GIB = 100
"""Where DuckDB spills: raw pages, the data base and the files of one dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every service of a deployment shares."""

    deployment: Deployment
    cluster: ecs.ICluster
    registry: Registry
    secrets: Mapping[str, secretsmanager.ISecret]
    key: kms.IKey
    names: Names
    facts: Facts


class CommandService(Construct):
    """A command's task definition and service."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        command: Command,
        around: Surroundings,
        group: ec2.ISecurityGroup,
        subnets: ec2.SubnetSelection,
        faces_people: bool,
    ) -> None:
        """Create the service; `faces_people` where the load balancer sends requests to it."""
        super().__init__(scope, name)
        self.command = command
        self._around = around
        self._secrets = {
            variable: (around.secrets[secret], key)
            for variable, (secret, key) in secret_variables(command, around.deployment).items()
        }
        self.log_group = log_group(
            self,
            "logs",
            deployment=around.deployment,
            key=around.key,
            path=log_path(around.deployment, command.name),
        )
        self.task_role = self._task_role()
        self._execution_role = self._make_execution_role()
        self.task = self._task()
        self.service = self._service(group, subnets, faces_people=faces_people)

    def _task_role(self) -> iam.IRole:
        around = self._around
        return task_role(
            self,
            name=self.command.name,
            grants=GRANTS[self.command.name],
            names=around.names,
            key_arn=around.key.key_arn,
            sends_traces=around.deployment.traces,
        )

    def _make_execution_role(self) -> iam.IRole:
        command, around = self.command, self._around
        images = [command.image, *([COLLECTOR] if around.deployment.traces else [])]
        return execution_role(
            self,
            name=command.name,
            repository_arns=[around.registry.images[one].repository_arn for one in images],
            log_group_arn=self.log_group.log_group_arn,
            secret_arns=list(dict.fromkeys(s.secret_arn for s, _ in self._secrets.values())),
            key_arn=around.key.key_arn,
        )

    def _task(self) -> ecs.FargateTaskDefinition:
        command, around = self.command, self._around
        task = ecs.FargateTaskDefinition(
            self,
            "task",
            family=f"{around.deployment.name_prefix}-{command.name}",
            cpu=command.cpu,
            memory_limit_mib=command.memory_mib,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64,
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
            task_role=self.task_role,
            execution_role=self._execution_role,
            ephemeral_storage_gib=_LONG_WORK_DISK_GIB if command.has_long_work else None,
            volumes=[ecs.Volume(name=_WORK_VOLUME)],
        )
        self._add_container(task)
        if around.deployment.traces:
            add_collector(
                task,
                command,
                image=around.registry.image_uri(COLLECTOR),
                prefix=around.deployment.name_prefix,
                metrics_group=log_path(around.deployment, "metrics"),
                logs=self._log_driver("collector"),
            )
        return task

    def _add_container(self, task: ecs.FargateTaskDefinition) -> None:
        command, around = self.command, self._around
        container = task.add_container(
            command.name,
            image=ecs.ContainerImage.from_registry(around.registry.image_uri(command.image)),
            command=[command.name],
            environment=variables(command, around.deployment, around.facts),
            secrets={
                variable: ecs.Secret.from_secrets_manager(secret, key)
                for variable, (secret, key) in self._secrets.items()
            },
            logging=self._log_driver(command.name),
            health_check=health_check(command.port),
            stop_timeout=Duration.seconds(command.stop_seconds),
            port_mappings=[ecs.PortMapping(container_port=command.port)],
            readonly_root_filesystem=True,
            user=USER,
            linux_parameters=_no_privileges(self),
        )
        container.add_mount_points(
            ecs.MountPoint(container_path=WORK_FOLDER, source_volume=_WORK_VOLUME, read_only=False)
        )

    def _log_driver(self, prefix: str) -> ecs.LogDriver:
        return ecs.LogDriver.aws_logs(
            stream_prefix=prefix,
            log_group=self.log_group,
            mode=ecs.AwsLogDriverMode.NON_BLOCKING,  # a slow log must not stop the readings
        )

    def _service(
        self, group: ec2.ISecurityGroup, subnets: ec2.SubnetSelection, *, faces_people: bool
    ) -> ecs.FargateService:
        deployment = self._around.deployment
        service = ecs.FargateService(
            self,
            "service",
            service_name=self.command.name,
            cluster=self._around.cluster,
            task_definition=self.task,
            desired_count=least_tasks(self.command, deployment),
            vpc_subnets=subnets,
            security_groups=[group],
            assign_public_ip=False,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            min_healthy_percent=100,
            max_healthy_percent=200,
            health_check_grace_period=Duration.seconds(60) if faces_people else None,
            capacity_provider_strategies=_capacity(
                self.command, deployment, faces_people=faces_people
            ),
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
            enable_execute_command=False,
        )
        # CDK knows of the task's role alone: without the other no task could pull its image.
        service.node.add_dependency(self._execution_role)
        return service


def health_check(port: int) -> ecs.HealthCheck:
    """Ask the process itself; the images have Python and no curl."""
    ask = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/healthz', timeout=3)"
    return ecs.HealthCheck(
        command=["CMD", "python", "-c", ask],
        interval=Duration.seconds(15),
        timeout=Duration.seconds(5),
        retries=3,
        start_period=Duration.seconds(60),
    )


def _no_privileges(scope: Construct) -> ecs.LinuxParameters:
    parameters = ecs.LinuxParameters(scope, "linux", init_process_enabled=True)
    parameters.drop_capabilities(ecs.Capability.ALL)
    return parameters


def _capacity(
    command: Command, deployment: Deployment, *, faces_people: bool
) -> list[ecs.CapacityProviderStrategy]:
    """Spot for workers whose messages come again: never for people, never for long work."""
    steady = ecs.CapacityProviderStrategy(
        capacity_provider="FARGATE", base=least_tasks(command, deployment), weight=1
    )
    may_be_ended = isinstance(command.scaling, OnBacklog) and not (
        faces_people or command.has_long_work
    )
    if not (deployment.worker_spot and may_be_ended):
        return [steady]
    return [
        ecs.CapacityProviderStrategy(capacity_provider="FARGATE", base=1, weight=1),
        ecs.CapacityProviderStrategy(capacity_provider="FARGATE_SPOT", weight=4),
    ]
