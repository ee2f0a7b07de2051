"""What roles may do: nothing that is not spelled out, and nothing of another deployment."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from penstock.resources import COMMANDS
from penstock_infra.permissions import GRANTS

from tests.infra.reading import all_policies, as_list, as_text
from tests.infra.synthesis import Synthesized

PREFIX = "penstock-prod"

# Actions that know no resource in IAM; whoever adds one looks it up first.
WITHOUT_RESOURCES = {
    "cloudwatch:PutMetricData",
    "ec2:DescribeManagedPrefixLists",
    "ecr:GetAuthorizationToken",
    "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies", "logs:GetLogDelivery", "logs:ListLogDeliveries",
    "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
    "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}  # fmt: skip


def _statements(synthesized: Synthesized) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for logical_id, document in all_policies(synthesized):
        for statement in as_list(document["Statement"]):
            yield logical_id, statement


def test_every_command_has_grants_and_nothing_else_has() -> None:
    assert set(GRANTS) == {command.name for command in COMMANDS}


def test_no_action_is_a_wildcard(prod: Synthesized, dev: Synthesized) -> None:
    for synthesized in (prod, dev):
        found = list(_statements(synthesized))
        assert found
        for logical_id, statement in found:
            for action in as_list(statement["Action"]):
                assert "*" not in action, f"{logical_id}: {action}"
            assert "NotAction" not in statement
            assert "NotResource" not in statement


def test_everything_is_granted_only_where_iam_knows_nothing_narrower(prod: Synthesized) -> None:
    for logical_id, statement in _statements(prod):
        if "*" in as_list(statement["Resource"]):
            actions = set(as_list(statement["Action"]))
            assert actions <= WITHOUT_RESOURCES, f"{logical_id}: {actions - WITHOUT_RESOURCES}"


def test_no_grant_reaches_beyond_the_prefix(prod: Synthesized) -> None:
    ours = re.compile(
        rf"[:/]{PREFIX}([-/:]|$)|^<.*>$|dbuser:<.*>/"  # by name, or what these stacks made
        rf"|:(database|table)/{PREFIX.replace('-', '_')}|:catalog$"  # Glue: one catalog an account
        r"|:secret:penstock/sources/\*$"  # names of sources are the users' own
        r"|:log-group:/aws/sagemaker/(TrainingJobs:)?\*"  # one for all trainings of an account
    )
    for logical_id, statement in _statements(prod):
        for resource in as_list(statement["Resource"]):
            text = as_text(resource)
            assert text == "*" or ours.search(text), f"{logical_id}: {text}"


def test_models_are_asked_only_under_the_prefix(prod: Synthesized) -> None:
    asking = [
        (logical_id, as_text(resource))
        for logical_id, statement in _statements(prod)
        if "sagemaker:InvokeEndpoint" in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    ]
    assert len(asking) == 2
    for _, resource in asking:
        assert resource.endswith(f":endpoint/{PREFIX}-*")


def test_roles_are_passed_to_sagemaker_alone(prod: Synthesized) -> None:
    passing = [s for _, s in _statements(prod) if "iam:PassRole" in as_list(s["Action"])]
    assert len(passing) == 1
    condition = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert passing[0]["Condition"] == condition


def test_the_key_is_used_through_services_of_aws_alone(prod: Synthesized) -> None:
    using = [
        statement
        for _, statement in _statements(prod)
        if any(action.startswith("kms:") for action in as_list(statement["Action"]))
    ]
    assert len(using) > len(COMMANDS)
    for statement in using:
        assert "kms:ViaService" in statement["Condition"]["StringEquals"]


def test_each_command_has_roles_of_its_own(prod: Synthesized) -> None:
    tasks = prod.resources("AWS::ECS::TaskDefinition")
    roles = [as_text(task["Properties"]["TaskRoleArn"]) for task in tasks.values()]
    starters = [as_text(task["Properties"]["ExecutionRoleArn"]) for task in tasks.values()]
    assert len(set(roles)) == len(tasks)
    assert len(set(starters)) == len(tasks)
