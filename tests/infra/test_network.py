"""Who may talk to whom: ways out of the VPC are few, and each is named."""

from pathlib import Path
from typing import Any

import pytest
from penstock.resources import COMMANDS

from tests.infra.reading import as_text
from tests.infra.synthesis import Synthesized, make_deployment, synthesize

ANYWHERE = "0.0.0.0/0"
REACHING = {command.name for command in COMMANDS if command.reaches_out}


def _rules(synthesized: Synthesized, direction: str) -> list[tuple[str, dict[str, Any]]]:
    """Group and rule of every way in or out, whether written in the group or beside it."""
    inline = [
        (logical_id, rule)
        for logical_id, group in synthesized.resources("AWS::EC2::SecurityGroup").items()
        for rule in group["Properties"].get(f"SecurityGroup{direction}", [])
    ]
    beside = [
        (as_text(rule["Properties"]["GroupId"]).strip("<>").split(".")[0], rule["Properties"])
        for rule in synthesized.resources(f"AWS::EC2::SecurityGroup{direction}").values()
    ]
    return inline + beside


def _groups_out_to(synthesized: Synthesized, cidr: str) -> set[str]:
    return {group for group, rule in _rules(synthesized, "Egress") if rule.get("CidrIp") == cidr}


def test_only_commands_that_reach_out_may_leave_and_only_by_https(prod: Synthesized) -> None:
    leaving = _groups_out_to(prod, ANYWHERE)
    assert len(leaving) == len(REACHING)
    for name in REACHING:
        assert any(f"firewalls{name.replace('-', '')}" in group for group in leaving)
    ports = {
        (rule["FromPort"], rule["ToPort"])
        for _, rule in _rules(prod, "Egress")
        if rule.get("CidrIp") == ANYWHERE
    }
    assert ports == {(443, 443)}


def test_commands_that_do_not_reach_out_run_where_no_route_leaves(prod: Synthesized) -> None:
    outward = {
        as_text(route["Properties"]["RouteTableId"])
        for route in prod.resources("AWS::EC2::Route").values()
    }
    tables = {
        as_text(one["Properties"]["SubnetId"]): as_text(one["Properties"]["RouteTableId"])
        for one in prod.resources("AWS::EC2::SubnetRouteTableAssociation").values()
    }
    for service in prod.resources("AWS::ECS::Service").values():
        name = service["Properties"]["ServiceName"]
        network = service["Properties"]["NetworkConfiguration"]["AwsvpcConfiguration"]
        for subnet in network["Subnets"]:
            logical_id = as_text(subnet).rpartition("Ref")[2]
            (table,) = [t for s, t in tables.items() if logical_id.startswith(s.strip("<>"))]
            assert (table in outward) == (name in REACHING), name


def test_the_world_knocks_at_the_balancer_alone(prod: Synthesized) -> None:
    entered = {
        (group, rule["FromPort"])
        for group, rule in _rules(prod, "Ingress")
        if rule.get("CidrIp") == ANYWHERE
    }
    assert len(entered) == 1
    ((group, port),) = entered
    assert "loadbalancer" in group
    assert port == 443


def test_aurora_is_entered_by_those_who_use_it(prod: Synthesized) -> None:
    entering = [
        as_text(rule["SourceSecurityGroupId"])
        for group, rule in _rules(prod, "Ingress")
        if group.startswith("firewallsaurora")
    ]
    names = {command.name for command in COMMANDS if command.uses_aurora} | {"migrations"}
    assert len(entering) == len(names)
    for name in names:
        assert any(f"firewalls{name.replace('-', '')}" in group for group in entering)


def test_aurora_is_encrypted_private_and_kept(prod: Synthesized) -> None:
    (cluster,) = prod.resources("AWS::RDS::DBCluster").values()
    properties = cluster["Properties"]
    assert properties["StorageEncrypted"] is True
    assert properties["EnableIAMDatabaseAuthentication"] is True
    assert properties["ManageMasterUserPassword"] is True
    assert "MasterUserPassword" not in properties
    assert properties["DeletionProtection"] is True
    assert properties["BackupRetentionPeriod"] == 14
    assert properties["EnableCloudwatchLogsExports"] == ["postgresql"]
    (parameters,) = prod.resources("AWS::RDS::DBClusterParameterGroup").values()
    assert parameters["Properties"]["Parameters"]["rds.force_ssl"] == "1"
    instances = prod.resources("AWS::RDS::DBInstance").values()
    assert {one["Properties"]["PubliclyAccessible"] for one in instances} == {False}
    assert len(instances) == 2


def test_prod_has_a_nat_in_each_zone_and_dev_one(prod: Synthesized, dev: Synthesized) -> None:
    assert len(prod.resources("AWS::EC2::NatGateway")) == 3
    assert len(dev.resources("AWS::EC2::NatGateway")) == 1
    for service in dev.resources("AWS::ECS::Service").values():
        network = service["Properties"]["NetworkConfiguration"]["AwsvpcConfiguration"]
        assert len(network["Subnets"]) == 1


@pytest.mark.parametrize(
    "egress",
    [
        {"egress": "proxy", "proxy_url": "http://proxy.acme.example:3128"},
        {
            "egress": "privatelink",
            "snowflake_endpoint_service": "com.amazonaws.vpce.eu-west-1.vpce-svc-0f1e2d3c",
        },
    ],
    ids=["proxy", "privatelink"],
)
def test_without_a_nat_nobody_leaves(egress: dict[str, str], tmp_path: Path) -> None:
    made = synthesize(make_deployment("dev", **egress), tmp_path)
    assert made.resources("AWS::EC2::NatGateway") == {}
    assert _groups_out_to(made, ANYWHERE) == set()
    endpoints = made.resources("AWS::EC2::VPCEndpoint").values()
    services = {as_text(one["Properties"]["ServiceName"]) for one in endpoints}
    assert ("snowflake_endpoint_service" in egress) == any("vpce-svc" in one for one in services)


def test_our_way_to_s3_serves_no_other_account(prod: Synthesized) -> None:
    gateways = [
        endpoint["Properties"]
        for endpoint in prod.resources("AWS::EC2::VPCEndpoint").values()
        if endpoint["Properties"]["VpcEndpointType"] == "Gateway"
    ]
    assert len(gateways) == 2
    for gateway in gateways:
        for statement in gateway["PolicyDocument"]["Statement"]:
            ours = "aws:PrincipalAccount" in statement.get("Condition", {}).get("StringEquals", {})
            layers = "starport-layer-bucket" in as_text(statement["Resource"])
            assert ours or layers
