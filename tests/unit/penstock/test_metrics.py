"""One list of metrics: the type checker's names, the code's calls and the docs agree with it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from penstock.metrics import (
    BY_NAME,
    METRICS,
    CounterName,
    GaugeName,
    HistogramName,
    Metric,
    MetricName,
)
from penstock.resources import COMMANDS
from penstock.runtime.telemetry import Metrics

ROOT = Path(__file__).parents[3]
_KIND_BY_METHOD = {
    "count": "counter",
    "count_from": "counter",
    "observe": "histogram",
    "gauge": "gauge",
}


def test_the_table_has_each_name_of_the_type_once() -> None:
    assert sorted(metric.name for metric in METRICS) == sorted(get_args(MetricName))
    for kind, names in (
        ("counter", CounterName),
        ("histogram", HistogramName),
        ("gauge", GaugeName),
    ):
        assert {m.name for m in METRICS if m.kind == kind} == set(get_args(names))


def test_every_call_gives_the_labels_of_the_table() -> None:
    calls = list(_calls())
    for where, method, metric, labels in calls:
        assert (_KIND_BY_METHOD[method], labels) == (metric.kind, set(metric.labels)), where
    assert {metric.name for _, _, metric, _ in calls} == set(BY_NAME), "a metric that nobody counts"


def test_a_metric_is_shown_by_commands_of_the_service_that_counts_it() -> None:
    image_by_command = {command.name: command.image for command in COMMANDS}
    for metric in METRICS:
        assert set(metric.services) <= set(image_by_command), metric.name
    for where, _, metric, _ in _calls():
        if where.startswith("services/"):
            images = {image_by_command[command] for command in metric.services}
            assert where.split("/")[1] in images, where


def test_a_metric_is_shown_under_its_exposed_name_with_its_meaning() -> None:
    metrics = Metrics("test")
    metrics.count("sink_rows", 3, sink="lake", outcome="written")
    metrics.gauge("sink_up", 1, sink="lake")
    metrics.observe("sink_flush_seconds", 0.02, sink="lake")
    shown = metrics.render().decode()
    for name in ("sink_rows", "sink_up", "sink_flush_seconds"):
        metric = next(m for m in METRICS if m.name == name)
        assert f"# HELP {metric.exposed_name} {metric.help}" in shown
    assert 'penstock_sink_rows_total{outcome="written",sink="lake"} 3.0' in shown


def test_the_docs_show_the_table() -> None:
    text = (ROOT / "docs/observability.md").read_text()
    expected = "\n".join(_docs_table())
    assert expected in text, f"docs/observability.md should hold:\n{expected}"


def _docs_table() -> Iterator[str]:
    yield "| metric | kind | unit | labels | shown by | what it says |"
    yield "|---|---|---|---|---|---|"
    for metric in sorted(METRICS, key=lambda m: (not m.is_business, m.name)):
        yield _docs_row(metric)


def _docs_row(metric: Metric) -> str:
    name = f"**`{metric.exposed_name}`**" if metric.is_business else f"`{metric.exposed_name}`"
    labels = ", ".join(metric.labels) or "–"
    services = "all" if len(metric.services) == len(COMMANDS) else ", ".join(metric.services)
    if len(metric.services) == len(COMMANDS) - 1:
        (missing,) = {command.name for command in COMMANDS} - set(metric.services)
        services = f"all but {missing}"
    return f"| {name} | {metric.kind} | {metric.unit} | {labels} | {services} | {metric.help} |"


def _calls() -> Iterator[tuple[str, str, Metric, set[str]]]:
    metric_by_name: dict[object, Metric] = {metric.name: metric for metric in METRICS}
    for path in sorted([*ROOT.glob("services/*/*/**/*.py"), *ROOT.glob("libs/penstock/**/*.py")]):
        where = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(
                        attr=("count" | "count_from" | "observe" | "gauge") as method
                    ),
                    args=[ast.Constant(value=name), *_],
                    keywords=keywords,
                ) if metric := metric_by_name.get(name):
                    labels = {keyword.arg for keyword in keywords if keyword.arg}
                    if method == "count_from":
                        labels = {"outcome"}
                    yield f"{where}:{node.lineno}", method, metric, labels - {"amount", "value"}
