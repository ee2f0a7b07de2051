"""The state machine's definition, held against the code that it works with."""

import json
import re
from typing import Any

import pytest
from penstock.channels.commands import CHANNEL as COMMANDS
from penstock.channels.prepare import CHANNEL as PREPARE
from penstock.domain.jobs import TRANSITIONS, JobStatus
from training_orchestrator.state_machine import definition, render

from tests.unit.training_orchestrator.world import STEPS

TEXT = definition()
STATES: dict[str, dict[str, Any]] = json.loads(TEXT)["States"]
MARKS = {
    name: state
    for name, state in STATES.items()
    if state.get("Resource", "").endswith("dynamodb:updateItem")
}
TASKS = {
    name: state
    for name, state in STATES.items()
    if state.get("Resource", "").endswith("waitForTaskToken")
}


def targets(state: dict[str, Any]) -> set[str]:
    nexts = [state.get("Next"), state.get("Default")]
    nexts += [branch["Next"] for branch in [*state.get("Catch", []), *state.get("Choices", [])]]
    return {name for name in nexts if name}


@pytest.mark.parametrize("name", MARKS)
def test_a_status_is_written_only_from_where_a_job_may_come(name: str) -> None:
    parameters = MARKS[name]["Parameters"]
    values = parameters["ExpressionAttributeValues"]
    to = JobStatus(values[":to"]["S"])
    froms = {JobStatus(v["S"]) for k, v in values.items() if k.startswith(":from")}
    assert froms
    assert all(to in TRANSITIONS[status] for status in froms)
    condition = parameters["ConditionExpression"]
    named = set(re.findall(r":\w+", condition))
    held = {":to"} if not to.is_final else set()  # a retried write may find itself
    assert named == {":run", *held, *(k for k in values if k.startswith(":from"))}
    assert parameters["ExpressionAttributeValues"][":entry"]["L"][0]["M"]["status"]["S"] == to


def test_failure_is_written_from_every_status_that_is_not_final() -> None:
    values = MARKS["RecordFailed"]["Parameters"]["ExpressionAttributeValues"]
    froms = {JobStatus(v["S"]) for k, v in values.items() if k.startswith(":from")}
    assert froms == {status for status in JobStatus if not status.is_final}


def test_every_step_is_asked_for_and_every_step_asked_for_is_there() -> None:
    asked = {task["Parameters"]["MessageBody"].get("step") for task in TASKS.values()}
    assert asked - {None} == set(STEPS)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_sends_what_its_channel_reads_and_is_bounded(name: str) -> None:
    task = TASKS[name]
    channel = PREPARE if name == "PrepareDataset" else COMMANDS
    filled = {
        key.removesuffix(".$"): 1 if key in {"version", "run.$", "created_at.$"} else "x"
        for key in task["Parameters"]["MessageBody"]
    }
    assert channel.decode(json.dumps(filled)).task_token == "x"
    assert task["HeartbeatSeconds"] < task["TimeoutSeconds"]
    assert task["Parameters"]["QueueUrl"] == f"${{{channel.name}_queue_url}}"


def test_every_state_is_reached_and_every_next_exists() -> None:
    reached = {json.loads(TEXT)["StartAt"]}
    for _ in STATES:
        reached |= {name for state in reached for name in targets(STATES[state])}
    assert reached == set(STATES)


def test_every_way_ends_and_cleans_up_before_it_does() -> None:
    ends = {name for name, state in STATES.items() if state["Type"] in {"Succeed", "Fail"}}
    assert ends == {"Done", "JobFailed"}
    before = {name for name, state in STATES.items() if targets(state) & {*ends, "Outcome"}}
    assert before == {"CleanUp", "Outcome"}


def test_the_definition_is_filled_to_the_last_placeholder() -> None:
    text = render(jobs_table="t-jobs", commands_queue_url="http://c", prepare_queue_url="http://p")
    assert "${" not in text
    assert json.loads(text)["States"]["PrepareDataset"]["Parameters"]["QueueUrl"] == "http://p"
