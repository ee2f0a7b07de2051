"""cfn-lint knows CloudFormation's schemas: types, enumerations, ranges."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.infra.synthesis import Synthesized

# W3005: CDK orders a few resources twice, which is harmless.
_IGNORED = "W3005"
_LINTER = Path(sys.executable).with_name("cfn-lint")


def _lint(*templates: Path) -> list[dict[str, Any]]:
    names = [str(path) for path in templates]
    done = subprocess.run(  # noqa: S603 -- our own words
        [str(_LINTER), "--format", "json", "-i", _IGNORED, "-t", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("["), done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _written(document: dict[str, Any], path: Path) -> Path:
    # The linter takes the partition's place in the state machine for a fault, so it gets a name.
    path.write_text(json.dumps(document).replace("arn:${partition}:states", "arn:aws:states"))
    return path


def test_every_template_passes(
    dev: Synthesized, prod: Synthesized, everything: Synthesized, tmp_path: Path
) -> None:
    templates = [
        _written(document, tmp_path / f"{name}-{stack}.json")
        for name, synthesized in (("dev", dev), ("prod", prod), ("everything", everything))
        for stack, document in synthesized.documents.items()
    ]
    faults = [(f["Rule"]["Id"], f["Message"], f["Location"]["Path"]) for f in _lint(*templates)]
    assert faults == []


def test_a_fault_would_be_seen(prod: Synthesized, tmp_path: Path) -> None:
    document = json.loads(json.dumps(prod.documents["data"]))
    queues = [r for r in document["Resources"].values() if r["Type"] == "AWS::SQS::Queue"]
    queues[0]["Properties"]["VisibilityTimeout"] = 999_999
    faults = _lint(_written(document, tmp_path / "faulty.json"))
    assert [fault["Rule"]["Id"] for fault in faults] == ["E3034"]


def test_the_state_machine_is_looked_at_too(prod: Synthesized, tmp_path: Path) -> None:
    document = json.loads(json.dumps(prod.documents["services"]))
    (machine,) = [
        r for r in document["Resources"].values() if r["Type"] == "AWS::StepFunctions::StateMachine"
    ]
    definition = json.loads(machine["Properties"]["DefinitionString"])
    del definition["States"]["CleanUp"]["Next"]
    machine["Properties"]["DefinitionString"] = json.dumps(definition)
    faults = _lint(_written(document, tmp_path / "faulty.json"))
    assert {fault["Rule"]["Id"] for fault in faults} == {"E3601"}
