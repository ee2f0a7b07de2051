"""The training state machine: every way exists, every state is reached, every branch ends."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from penstock_infra.constructs.training_machine import definition

from tests.infra.reading import as_text
from tests.infra.states import faults
from tests.infra.synthesis import Synthesized


def _states() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(definition())
    return found


def test_the_definition_has_no_fault() -> None:
    assert faults(_states()) == []


def _dangling_next(machine: dict[str, Any]) -> None:
    machine["States"]["MarkPreparing"]["Next"] = "NeedsDatset"


def _dangling_default(machine: dict[str, Any]) -> None:
    machine["States"]["DeployChoice"]["Default"] = "Recorded"


def _dangling_catch(machine: dict[str, Any]) -> None:
    machine["States"]["PrepareDataset"]["Catch"][0]["Next"] = "Decide"


def _unreachable(machine: dict[str, Any]) -> None:
    machine["States"]["Forgotten"] = {"Type": "Succeed"}


def _endless(machine: dict[str, Any]) -> None:
    machine["States"]["Outcome"] = {"Type": "Wait", "Seconds": 1, "Next": "CleanUp"}


def _stuck(machine: dict[str, Any]) -> None:
    del machine["States"]["WaitForTraining"]["Next"]


def _wrong_start(machine: dict[str, Any]) -> None:
    machine["StartAt"] = "Start"


@pytest.mark.parametrize(
    ("seed", "told"),
    [
        (_dangling_next, "MarkPreparing leads to NeedsDatset"),
        (_dangling_default, "DeployChoice leads to Recorded"),
        (_dangling_catch, "PrepareDataset leads to Decide"),
        (_unreachable, "Forgotten is never reached"),
        (_endless, "CleanUp never comes to an end"),
        (_stuck, "WaitForTraining leads nowhere"),
        (_wrong_start, "StartAt is Start"),
    ],
)
def test_a_seeded_fault_is_caught(seed: Callable[[dict[str, Any]], None], told: str) -> None:
    machine = _states()
    seed(machine)
    assert any(fault.startswith(told) for fault in faults(machine))


def test_every_open_place_is_filled(prod: Synthesized) -> None:
    (machine,) = prod.resources("AWS::StepFunctions::StateMachine").values()
    properties = machine["Properties"]
    filled = set(properties["DefinitionSubstitutions"])
    text = definition()
    for place in filled:
        text = text.replace(f"${{{place}}}", "")
    assert "${" not in text
    assert properties["DefinitionSubstitutions"]["jobs_table"] == "penstock-prod-jobs"


def test_it_is_logged_and_traced_under_the_name_that_services_look_for(prod: Synthesized) -> None:
    (machine,) = prod.resources("AWS::StepFunctions::StateMachine").values()
    properties = machine["Properties"]
    assert properties["StateMachineName"] == "penstock-prod-training"
    assert properties["LoggingConfiguration"]["Level"] == "ALL"
    assert properties["TracingConfiguration"] == {"Enabled": True}
    assert as_text(properties["RoleArn"]).startswith("<trainingrole")
