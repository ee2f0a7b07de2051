"""The stack that runs things: tasks, load balancer, state machine, schedules, sign-in."""

from aws_cdk import Aws, CfnOutput, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct
from penstock.command import Command
from penstock.resources import COMMANDS, SCHEDULES

from penstock_infra import extras
from penstock_infra.arns import Names
from penstock_infra.config import Deployment
from penstock_infra.constructs.autoscaling import Autoscaling
from penstock_infra.constructs.command_service import CommandService, Surroundings
from penstock_infra.constructs.load_balancer import FACING, LoadBalancer
from penstock_infra.constructs.readers import ReadersRole
from penstock_infra.constructs.roles import granted_role
from penstock_infra.constructs.schedules import Schedules
from penstock_infra.constructs.training_machine import TrainingMachine
from penstock_infra.constructs.users import Users
from penstock_infra.constructs.web_firewall import WebFirewall
from penstock_infra.data_stack import DataStack
from penstock_infra.environment import Facts
from penstock_infra.permissions import SAGEMAKER_GRANTS


class ServicesStack(Stack):
    """What a deployment of code replaces.

    `services` has each command's service by its name; `load_balancer`, `users`, `machine` are the
    rest of what other constructs may look at.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        deployment: Deployment,
        data: DataStack,
        env: Environment | None = None,
    ) -> None:
        """Create everything that runs code or lets people and gateways in."""
        super().__init__(
            scope, name, env=env, description="Penstock: tasks, load balancer, state machine, users"
        )
        self.deployment = deployment
        self.data = data
        self.names = Names(deployment.name_prefix, data.aurora.resource_id)
        self.sagemaker_role = self._add_sagemaker_role()
        self.names = Names(
            deployment.name_prefix,
            data.aurora.resource_id,
            {"sagemaker": self.sagemaker_role.role_arn},
        )
        self.users = Users(self, "users", deployment=deployment)
        self._around = self._surroundings()
        self.services = {command.name: self._add_service(command) for command in COMMANDS}
        self.load_balancer = self._add_load_balancer()
        self.web_firewall = WebFirewall(
            self,
            "web-firewall",
            deployment=deployment,
            key=data.key,
            protects=self.load_balancer.balancer.load_balancer_arn,
        )
        self.machine = self._add_machine()
        self.schedules = Schedules(
            self,
            "schedules",
            schedules=SCHEDULES,
            queues=data.channels.queues,
            names=self.names,
            key=data.key,
        )
        for readers in deployment.readers:
            ReadersRole(
                self, f"readers-{readers.name}", readers=readers, names=self.names, key=data.key
            )
        extras.add_to_services(self)
        self._add_outputs()

    def _add_sagemaker_role(self) -> iam.IRole:
        return granted_role(
            self,
            "sagemaker-role",
            principal=iam.ServicePrincipal(
                "sagemaker.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            ),
            description=f"What trainings and models of {self.deployment.name_prefix} may do",
            grants=SAGEMAKER_GRANTS,
            names=self.names,
            key_arn=self.data.key.key_arn,
        )

    def _surroundings(self) -> Surroundings:
        data = self.data
        return Surroundings(
            deployment=self.deployment,
            cluster=data.cluster,
            registry=data.registry,
            # Known by their ARNs alone, so that CDK grants nobody anything in the data stack.
            secrets={
                name: secretsmanager.Secret.from_secret_complete_arn(
                    self, f"secret-{name}", secret.secret_arn
                )
                for name, secret in data.secrets.secrets.items()
            },
            key=data.key,
            names=self.names,
            facts=Facts(
                aurora_dsn=data.aurora.service_dsn,
                sagemaker_role_arn=self.sagemaker_role.role_arn,
                key_arn=data.key.key_arn,
                algorithm_images=data.registry.algorithm_uris(),
                issuer=self.users.issuer,
                audience=self.users.client.user_pool_client_id,
            ),
        )

    def _add_service(self, command: Command) -> CommandService:
        places = self.data.network.places
        made = CommandService(
            self,
            command.name,
            command=command,
            around=self._around,
            group=self._group(command.name),
            subnets=places.outer if command.reaches_out else places.inner,
            faces_people=command.name in FACING,
        )
        Autoscaling(made, "scaling", made=made, deployment=self.deployment)
        return made

    def _group(self, name: str) -> ec2.ISecurityGroup:
        # Rules stand in the data stack, all of them: nothing here may add one.
        group_id = self.data.firewalls.groups[name].security_group_id
        return ec2.SecurityGroup.from_security_group_id(
            self, f"group-{name}", group_id, mutable=False
        )

    def _add_load_balancer(self) -> LoadBalancer:
        data = self.data
        return LoadBalancer(
            self,
            "load-balancer",
            deployment=self.deployment,
            vpc=data.network.vpc,
            subnets=data.network.places.public,
            group=ec2.SecurityGroup.from_security_group_id(
                self,
                "group-load-balancer",
                data.firewalls.load_balancer.security_group_id,
                mutable=False,
            ),
            logs=data.buckets.logs,
            services=self.services,
        )

    def _add_machine(self) -> TrainingMachine:
        queues = self.data.channels.queues
        return TrainingMachine(
            self,
            "training",
            deployment=self.deployment,
            key=self.data.key,
            names=self.names,
            commands=queues["commands"],
            prepare=queues["prepare"],
        )

    def _add_outputs(self) -> None:
        """What a smoke test needs to know."""
        balancer = self.load_balancer.balancer.load_balancer_dns_name
        told = {
            "Address": self.deployment.domain_name or balancer,
            "LoadBalancerName": balancer,
            "StateMachine": self.machine.machine.state_machine_arn,
            "UserPool": self.users.pool.user_pool_id,
            "UserPoolClient": self.users.client.user_pool_client_id,
        }
        for name, value in told.items():
            CfnOutput(self, name, value=value)
