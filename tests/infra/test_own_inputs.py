"""A deployment into an account's own network, under its own key and boundary."""

from penstock.resources import COMMANDS

from tests.infra.reading import all_policies, as_list, as_text
from tests.infra.synthesis import BOUNDARY, KEY, Synthesized


def test_the_network_of_the_account_is_used_as_it_is(full: Synthesized) -> None:
    for kind in ("VPC", "Subnet", "NatGateway", "InternetGateway", "Route", "FlowLog"):
        assert full.resources(f"AWS::EC2::{kind}") == {}
    for service in full.resources("AWS::ECS::Service").values():
        network = service["Properties"]["NetworkConfiguration"]["AwsvpcConfiguration"]
        assert network["Subnets"] == ["subnet-0a1", "subnet-0b2", "subnet-0c3"]
    for group in full.resources("AWS::EC2::SecurityGroup").values():
        assert group["Properties"]["VpcId"] == "vpc-0123abcd"


def test_gateway_endpoints_enter_the_accounts_routes(full: Synthesized) -> None:
    gateways = [
        endpoint["Properties"]
        for endpoint in full.resources("AWS::EC2::VPCEndpoint").values()
        if endpoint["Properties"]["VpcEndpointType"] == "Gateway"
    ]
    assert len(gateways) == 2
    for gateway in gateways:
        assert gateway["RouteTableIds"] == ["rtb-0a1", "rtb-0b2", "rtb-0c3"]


def test_everything_is_under_the_accounts_key(full: Synthesized) -> None:
    assert full.resources("AWS::KMS::Key") == {}
    for queue in full.resources("AWS::SQS::Queue").values():
        assert as_text(queue["Properties"]["KmsMasterKeyId"]) == KEY
    for table in full.resources("AWS::DynamoDB::Table").values():
        assert as_text(table["Properties"]["SSESpecification"]["KMSMasterKeyId"]) == KEY
    (cluster,) = full.resources("AWS::RDS::DBCluster").values()
    assert as_text(cluster["Properties"]["KmsKeyId"]) == KEY
    used = {
        as_text(resource)
        for _, document in all_policies(full)
        for statement in document["Statement"]
        if any(action.startswith("kms:") for action in as_list(statement["Action"]))
        for resource in as_list(statement["Resource"])
    }
    assert used == {KEY}


def test_every_role_has_the_boundary(full: Synthesized) -> None:
    roles = full.resources("AWS::IAM::Role")
    assert len(roles) > 2 * len(COMMANDS)
    for logical_id, role in roles.items():
        assert as_text(role["Properties"]["PermissionsBoundary"]) == BOUNDARY, logical_id


def test_only_commands_that_reach_out_may_talk_to_the_proxy(full: Synthesized) -> None:
    to_proxy = {
        as_text(rule["Properties"]["GroupId"])
        for rule in full.resources("AWS::EC2::SecurityGroupEgress").values()
        if rule["Properties"].get("CidrIp") == "10.9.0.0/24"
    }
    inline = {
        logical_id
        for logical_id, group in full.resources("AWS::EC2::SecurityGroup").items()
        for rule in group["Properties"].get("SecurityGroupEgress", [])
        if rule.get("CidrIp") == "10.9.0.0/24" and rule["FromPort"] == 3128
    }
    reaching = {c.name.replace("-", "") for c in COMMANDS if c.reaches_out}
    found = to_proxy | inline
    assert len(found) == len(reaching)
    for name in reaching:
        assert any(name in group for group in found)


def test_nobody_may_reach_any_address(full: Synthesized) -> None:
    for logical_id, group in full.resources("AWS::EC2::SecurityGroup").items():
        for rule in group["Properties"].get("SecurityGroupEgress", []):
            assert rule.get("CidrIp") not in {"0.0.0.0/0"}, logical_id


def test_people_with_tools_of_their_own_read_below_their_keys(full: Synthesized) -> None:
    (document,) = [d for name, d in all_policies(full) if name.startswith("readersplantone")]
    actions = {a for s in document["Statement"] for a in as_list(s["Action"])}
    assert {a for a in actions if a.startswith("s3:")} == {"s3:GetObject", "s3:ListBucket"}
    objects = [
        as_text(resource)
        for statement in document["Statement"]
        if statement["Action"] == "s3:GetObject"
        for resource in as_list(statement["Resource"])
    ]
    assert [one.rpartition(":::")[2] for one in objects] == ["penstock-prod-lake/predictions/*"]


def test_a_repository_deploys_by_federation_from_its_own_environment(full: Synthesized) -> None:
    (role,) = [
        r for name, r in full.resources("AWS::IAM::Role").items() if name.startswith("deployer")
    ]
    (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    told = statement["Condition"]["StringEquals"]
    assert told["token.actions.githubusercontent.com:sub"] == "repo:acme/plants:environment:prod"
