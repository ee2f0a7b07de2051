"""The dashboard shows every metric, command and queue, and no two widgets in one place."""

import json
from itertools import combinations
from typing import Any

from penstock.metrics import METRICS
from penstock.resources import COMMANDS, QUEUES
from penstock_infra.config import load
from penstock_infra.dashboard_body import Seen, body

CERTIFICATE = "arn:aws:acm:eu-west-1:111122223333:certificate/0f1e2d3c"
SEEN = Seen(
    region="eu-west-1",
    balancer="app/penstock/1",
    machine_arn="arn:aws:states:eu-west-1:111122223333:stateMachine:penstock-prod-training",
    alarm_arns={"critical": ["arn:aws:cloudwatch:eu-west-1:111122223333:alarm:a"], "warning": []},
)


def make_widgets(**changes: Any) -> list[dict[str, Any]]:
    deployment = load("prod", {"certificate_arn": CERTIFICATE, **changes})
    widgets: list[dict[str, Any]] = body(deployment, SEEN)["widgets"]
    return widgets


def titles(widgets: list[dict[str, Any]]) -> list[str]:
    return [widget["properties"].get("title", "") for widget in widgets]


def expressions(widgets: list[dict[str, Any]]) -> list[str]:
    return [
        metric[0]["expression"]
        for widget in widgets
        for metric in widget["properties"].get("metrics", [])
        if isinstance(metric[0], dict)
    ]


def test_every_metric_of_the_list_is_shown_by_its_labels() -> None:
    found = expressions(make_widgets())
    for metric in METRICS:
        schema = ",".join(['"Penstock/penstock-prod"', *metric.dimensions[-1]])
        expected = f"SEARCH('{{{schema}}} MetricName=\"{metric.exposed_name}\"'"
        assert any(one.startswith(expected) for one in found), metric.name


def test_business_comes_before_machinery() -> None:
    shown = titles(make_widgets())
    positions = {metric.name: shown.index(metric.help) for metric in METRICS}
    business = [positions[metric.name] for metric in METRICS if metric.is_business]
    technical = [positions[metric.name] for metric in METRICS if not metric.is_business]
    assert max(business) < min(technical)


def test_every_command_shows_its_tasks_cpu_and_memory() -> None:
    shown = make_widgets()
    widgets = dict(zip(titles(shown), shown, strict=True))
    for command in COMMANDS:
        metrics = widgets[f"{command.name}: CPU and memory in %, tasks"]["properties"]["metrics"]
        names = [metric[1] for metric in metrics]
        assert names == ["CPUUtilization", "MemoryUtilization", "RunningTaskCount"]
        assert all(metric[5] == command.name for metric in metrics)


def test_every_queue_shows_its_depth_its_age_and_its_dead_letters() -> None:
    text = json.dumps(make_widgets())
    for queue in QUEUES:
        for name in ("MessagesVisible", "MessagesNotVisible"):
            assert f'"ApproximateNumberOf{name}", "QueueName", "penstock-prod-{queue.name}"' in text
        old = f'"ApproximateAgeOfOldestMessage", "QueueName", "penstock-prod-{queue.name}"'
        assert old in text
        assert f'"penstock-prod-{queue.dead_letter_name}"' in text


def test_widgets_stand_beside_and_below_one_another() -> None:
    widgets = make_widgets()
    for widget in widgets:
        assert 0 <= widget["x"] < widget["x"] + widget["width"] <= 24
    for one, other in combinations(widgets, 2):
        beside = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
        below = one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]
        assert beside or below, (one, other)


def test_costs_alarms_and_the_runbook_are_on_the_first_row() -> None:
    runbook = "https://wiki.example.com/operations.md"
    text, *widgets = make_widgets(alarms={"runbook_url": runbook})
    assert f"[runbook]({runbook})" in text["properties"]["markdown"]
    first = [widget for widget in widgets if widget["y"] == text["height"]]
    assert [widget["type"] for widget in first] == ["alarm", "metric"]
    assert first[1]["properties"]["metrics"][0][:2] == ["AWS/Billing", "EstimatedCharges"]


def test_without_collectors_nothing_of_ours_is_shown() -> None:
    assert "Penstock/" not in json.dumps(make_widgets(traces=False))


def test_it_fits_into_one_dashboard() -> None:
    widgets = make_widgets()
    assert len(widgets) <= 500
    assert sum(len(widget["properties"].get("metrics", [])) for widget in widgets) <= 2500
