"""A security group for every command, with ways out only to what the command needs."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct
from penstock.command import Command
from penstock.resources import COMMANDS

from penstock_infra.config import Deployment
from penstock_infra.constructs.endpoints import Endpoints
from penstock_infra.constructs.load_balancer import FACING
from penstock_infra.constructs.network import Network
from penstock_infra.constructs.prefix_lists import PrefixLists

HTTPS = ec2.Port.tcp(443)
POSTGRES = ec2.Port.tcp(5432)
MIGRATIONS_GROUP = "migrations"


class Firewalls(Construct):
    """Groups by command, and those of Aurora and the load balancer."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        deployment: Deployment,
        network: Network,
        endpoints: Endpoints,
    ) -> None:
        """Make every group and rule."""
        super().__init__(scope, name)
        self._deployment = deployment
        self._network = network
        self._endpoints = endpoints
        self._prefix_lists = PrefixLists(self, "prefix-lists")
        self.aurora = self._group("aurora", "Aurora")
        self.load_balancer = self._group("load-balancer", "The load balancer")
        self.groups = {command.name: self._command_group(command) for command in COMMANDS}
        self.groups[MIGRATIONS_GROUP] = self._task_group(MIGRATIONS_GROUP, uses_aurora=True)
        self._open_the_door()

    def _group(self, name: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            self,
            name,
            vpc=self._network.vpc,
            description=f"{description} of {self._deployment.name_prefix}",
            allow_all_outbound=False,
        )

    def _task_group(self, name: str, *, uses_aurora: bool) -> ec2.SecurityGroup:
        group = self._group(name, f"Tasks of {name}")
        group.add_egress_rule(self._endpoints.group, HTTPS, "AWS, by VPC endpoints")
        self._endpoints.group.add_ingress_rule(group, HTTPS, name)
        for service, list_id in self._prefix_lists.ids.items():
            group.add_egress_rule(ec2.Peer.prefix_list(list_id), HTTPS, service)
        if uses_aurora:
            group.add_egress_rule(self.aurora, POSTGRES, "Aurora")
            self.aurora.add_ingress_rule(group, POSTGRES, name)
        return group

    def _command_group(self, command: Command) -> ec2.SecurityGroup:
        group = self._task_group(command.name, uses_aurora=command.uses_aurora)
        if command.reaches_out:
            self._let_out(group)
        return group

    def _open_the_door(self) -> None:
        for cidr in self._deployment.allowed_cidrs:
            self.load_balancer.add_ingress_rule(ec2.Peer.ipv4(cidr), HTTPS, "gateways and people")
        for command in COMMANDS:
            if command.name in FACING:
                group, port = self.groups[command.name], ec2.Port.tcp(command.port)
                self.load_balancer.add_egress_rule(group, port, command.name)
                group.add_ingress_rule(self.load_balancer, port, "the load balancer")

    def _let_out(self, group: ec2.SecurityGroup) -> None:
        deployment = self._deployment
        match deployment.egress:
            case "nat":
                group.add_egress_rule(ec2.Peer.any_ipv4(), HTTPS, "sources and sinks outside")
            case "proxy":
                port = ec2.Port.tcp(int(str(deployment.proxy_url).rsplit(":", 1)[1]))
                cidr = deployment.proxy_cidr or self._network.cidr
                group.add_egress_rule(ec2.Peer.ipv4(cidr), port, "the proxy")
            case "privatelink":
                pass  # the endpoint group has Snowflake's endpoint too
        for cidr in deployment.private_source_cidrs:
            group.add_egress_rule(ec2.Peer.ipv4(cidr), HTTPS, "sources in private ranges")
