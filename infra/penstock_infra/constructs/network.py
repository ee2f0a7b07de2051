"""The VPC: a new one over three zones, or one of the account, and where each kind of task runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Fn
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from penstock_infra.config import Deployment, OwnNetwork
from penstock_infra.constructs.log_groups import log_group, log_path

_ZONES = 3
_CIDR = "10.42.0.0/16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Subnets of each kind. `inner` has no way out of the VPC but its endpoints."""

    public: ec2.SubnetSelection
    inner: ec2.SubnetSelection
    outer: ec2.SubnetSelection
    """Where commands run that reach out; without a NAT the same as `inner`."""
    data: ec2.SubnetSelection
    """Where Aurora lives: always all zones, so that a zone may fail."""


class Network(Construct):
    """A VPC and its subnets."""

    def __init__(
        self, scope: Construct, name: str, *, deployment: Deployment, key: kms.IKey
    ) -> None:
        """Make a VPC, or take the account's own."""
        super().__init__(scope, name)
        self._deployment = deployment
        own = deployment.network
        self.has_own_nat = own is None and deployment.egress == "nat"
        self.vpc: ec2.IVpc
        if own is None:
            vpc = self._new_vpc()
            self._add_flow_log(vpc, key)
            self.vpc = vpc
            self.cidr = _CIDR
            self.places = self._places_of_new()
        else:
            self.vpc = self._existing_vpc(own)
            self.cidr = own.cidr
            self.places = self._places_of_existing()

    def _new_vpc(self) -> ec2.Vpc:
        zones = [Fn.select(position, Fn.get_azs()) for position in range(_ZONES)]
        subnets = [
            ec2.SubnetConfiguration(name="public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24),
            ec2.SubnetConfiguration(
                name="inner", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=20
            ),
        ]
        if self.has_own_nat:
            subnets.append(
                ec2.SubnetConfiguration(
                    name="outer", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=22
                )
            )
        return ec2.Vpc(
            self,
            "vpc",
            ip_addresses=ec2.IpAddresses.cidr(_CIDR),
            availability_zones=zones,
            nat_gateways=self._deployment.zones if self.has_own_nat else 0,
            subnet_configuration=subnets,
            restrict_default_security_group=False,  # needs a function; nobody uses it
        )

    def _add_flow_log(self, vpc: ec2.Vpc, key: kms.IKey) -> None:
        path = log_path(self._deployment, "vpc-flows")
        group = log_group(self, "flows", deployment=self._deployment, key=key, path=path)
        role = iam.Role(
            self, "flow-role", assumed_by=iam.ServicePrincipal("vpc-flow-logs.amazonaws.com")
        )
        ec2.CfnFlowLog(
            self,
            "flow-log",
            resource_id=vpc.vpc_id,
            resource_type="VPC",
            traffic_type="REJECT",
            log_destination_type="cloud-watch-logs",
            log_group_name=group.log_group_name,
            deliver_logs_permission_arn=role.role_arn,
        )
        _let_write(role, group)

    def _existing_vpc(self, own: OwnNetwork) -> ec2.IVpc:
        return ec2.Vpc.from_vpc_attributes(
            self,
            "vpc",
            vpc_id=own.vpc_id,
            vpc_cidr_block=own.cidr,
            availability_zones=list(own.availability_zones),
            private_subnet_ids=list(own.private_subnets),
            private_subnet_route_table_ids=list(own.private_route_tables) or None,
            public_subnet_ids=list(own.public_subnets) or None,
            public_subnet_route_table_ids=None,
        )

    def _places_of_new(self) -> Places:
        chosen = self.vpc.availability_zones[: self._deployment.zones]
        inner = ec2.SubnetSelection(subnet_group_name="inner", availability_zones=chosen)
        outer = ec2.SubnetSelection(subnet_group_name="outer", availability_zones=chosen)
        is_public = not self._deployment.internal
        return Places(
            public=ec2.SubnetSelection(subnet_group_name="public" if is_public else "inner"),
            inner=inner,
            outer=outer if self.has_own_nat else inner,
            data=ec2.SubnetSelection(subnet_group_name="inner"),
        )

    def _places_of_existing(self) -> Places:
        private = ec2.SubnetSelection(subnets=self.vpc.private_subnets)
        chosen = ec2.SubnetSelection(subnets=self.vpc.private_subnets[: self._deployment.zones])
        public = ec2.SubnetSelection(subnets=self.vpc.public_subnets)
        return Places(
            public=private if self._deployment.internal else public,
            inner=chosen,
            outer=chosen,
            data=private,
        )


def subnet_ids(vpc: ec2.IVpc, selection: ec2.SubnetSelection) -> Sequence[str]:
    """Ids of the subnets that a selection means."""
    return vpc.select_subnets(
        subnets=selection.subnets,
        subnet_group_name=selection.subnet_group_name,
        availability_zones=selection.availability_zones,
    ).subnet_ids


def _let_write(role: iam.Role, group: logs.LogGroup) -> None:
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            resources=[group.log_group_arn],
        )
    )
    # IAM knows no resource for it: on the group it would be granted to nobody.
    role.add_to_policy(iam.PolicyStatement(actions=["logs:DescribeLogGroups"], resources=["*"]))
