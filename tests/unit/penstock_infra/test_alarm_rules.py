"""Alarms as data: every problem has one, every queue is watched, and no metric is made up."""

from typing import Any

import pytest
from penstock.metrics import BY_NAME
from penstock.problems import BY_ID, PROBLEMS
from penstock.resources import COMMANDS, QUEUES
from penstock_infra import alarms_of_flow, alarms_of_platform
from penstock_infra.alarm_rule import Rule, Watched, told
from penstock_infra.config import Deployment, load
from penstock_infra.measures import Formula, Measure, of_ours

CERTIFICATE = "arn:aws:acm:eu-west-1:111122223333:certificate/0f1e2d3c"
WATCHED = Watched(
    balancer="app/penstock/1",
    targets={"ingest-api": "targetgroup/ingest/1"},
    machine_arn="arn:aws:states:eu-west-1:111122223333:stateMachine:penstock-prod-training",
    least_tasks={command.name: command.least_tasks for command in COMMANDS},
)
SNOWFLAKE = {"account": "acme-eu", "user": "PENSTOCK"}
ALL = {
    "snowflake": SNOWFLAKE,
    "alarms": {"silent_minutes": 30, "endpoints": ("pump-failure",), "sink_lag_seconds": 600},
}


def make_rules(**changes: Any) -> list[Rule]:
    deployment: Deployment = load("prod", {"certificate_arn": CERTIFICATE, **changes})
    return [
        *alarms_of_platform.rules(deployment, WATCHED),
        *alarms_of_flow.rules(deployment),
    ]


def find(rules: list[Rule], problem: str, what: str) -> Rule:
    (found,) = (rule for rule in rules if (rule.problem, rule.what) == (problem, what))
    return found


def measured(rule: Rule) -> Measure:
    assert isinstance(rule.watches, Measure)
    return rule.watches


def test_every_problem_rings() -> None:
    assert {rule.problem for rule in make_rules(**ALL)} == {problem.id for problem in PROBLEMS}


def test_no_two_alarms_have_one_name() -> None:
    names = [(rule.problem, rule.what) for rule in make_rules(**ALL)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_a_queue_rings_when_a_message_is_a_day_old_and_when_one_is_given_up(queue: Any) -> None:
    rules = make_rules(**ALL)
    old = find(rules, "PS-QUEUE-OLD", queue.name)
    assert measured(old).name == "ApproximateAgeOfOldestMessage"
    assert (old.rings, old.limit) == ("at or above", 86_400)
    dead = find(rules, "PS-DEAD-LETTERS", queue.dead_letter_name)
    assert (dead.rings, dead.limit, dead.times) == ("above", 0, 1)
    name = f"penstock-prod-{queue.dead_letter_name}"
    assert measured(dead).dimensions == {"QueueName": name}


def test_without_a_snowflake_its_queue_does_not_ring_for_ever() -> None:
    watched = {rule.what for rule in make_rules()}
    assert not watched & {"snowflake", "snowflake-behind", "snowflake-down"}
    assert "aurora-behind" in watched


def test_a_sink_rings_for_its_lag_and_for_silence_of_its_place() -> None:
    rules = make_rules(**ALL)
    behind = find(rules, "PS-SINK-STALLED", "snowflake-behind")
    assert (behind.rings, behind.limit) == ("above", 600)
    assert measured(behind).namespace == "Penstock/penstock-prod"
    assert measured(behind).dimensions == {"service": "results-writer", "queue": "snowflake"}
    down = find(rules, "PS-SINK-STALLED", "snowflake-down")
    assert (down.rings, down.limit, measured(down).statistic) == ("below", 1, "Minimum")


def test_tasks_ring_below_the_least_that_the_stack_runs_and_when_none_is_counted() -> None:
    rule = find(make_rules(), "PS-TASKS-MISSING", "ingest-api")
    assert (rule.rings, rule.limit, rule.rings_unmeasured) == ("below", 2, True)


def test_an_endpoint_is_watched_over_all_variants() -> None:
    rules = make_rules(**ALL)
    slow = find(rules, "PS-ENDPOINT-SLOW", "pump-failure").watches
    assert isinstance(slow, Formula)
    assert "WHERE EndpointName = 'penstock-prod-pump-failure'" in slow.expression
    assert "AVG(ModelLatency)" in slow.expression


def test_a_share_of_few_readings_does_not_ring() -> None:
    share = find(make_rules(), "PS-READINGS-REFUSED", "share").watches
    assert isinstance(share, Formula)
    assert set(share.of) == {"accepted", "rejected"}
    assert value_of(share, accepted=95, rejected=4) == 0
    assert value_of(share, accepted=60, rejected=40) == 40


def value_of(formula: Formula, **values: float) -> float:
    """Work a formula out as CloudWatch would."""
    text = formula.expression
    for name, value in values.items():
        text = text.replace(f"FILL({name}, 0)", str(value))
    condition, then, otherwise = text.removeprefix("IF(").removesuffix(")").split(", ")
    return float(eval(then if eval(condition) else otherwise))  # noqa: S307 -- our own arithmetic


def test_without_collectors_only_what_aws_measures_rings() -> None:
    namespaces = {
        rule.watches.namespace
        for rule in make_rules(traces=False)
        if isinstance(rule.watches, Measure)
    }
    assert namespaces
    assert not any(namespace.startswith("Penstock") for namespace in namespaces)


def test_parts_that_are_off_do_not_ring() -> None:
    off = {"iot": False, "delivery": False, "prediction_stream": False}
    problems = {rule.problem for rule in make_rules(extras=off)}
    assert not problems & {"PS-DELIVERY-LATE", "PS-DEVICES-REFUSED"}


def test_a_metric_is_watched_by_dimensions_that_the_collector_keeps() -> None:
    with pytest.raises(ValueError, match="sink_rows is not kept"):
        of_ours("penstock-prod", "sink_rows", service="results-writer", sink="lake")
    with pytest.raises(ValueError, match="is not kept"):
        of_ours("penstock-prod", "readings_accepted", service="console")
    kept = of_ours("p", "sink_rows", service="results-writer", sink="lake", outcome="dead")
    assert kept.name == BY_NAME["sink_rows"].exposed_name


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.id)
def test_an_alarm_says_its_problem_and_where_to_read_on(problem: Any) -> None:
    said = told(problem, "https://wiki.example.com/operations.md")
    assert said.startswith(f"{problem.id} ({problem.severity}): {BY_ID[problem.id].meaning}")
    assert said.endswith(f"https://wiki.example.com/operations.md#{problem.id.lower()}")
    assert told(problem, None).endswith(f"docs/operations.md#{problem.id.lower()}")
    assert len(said) <= 1024, "CloudWatch takes no longer description"
