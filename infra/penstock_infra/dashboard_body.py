"""The dashboard of a deployment as CloudWatch reads it: what happens, then how the machinery fares.

Metrics of ours come from `penstock.metrics`, a widget each: a new one is shown unasked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.command import Command
from penstock.metrics import INGEST_API, METRICS, WORKER, Metric, MetricName, cloudwatch_namespace
from penstock.problems import RUNBOOK
from penstock.resources import COMMANDS, DEAD_LETTER_QUEUES, QUEUES

from penstock_infra.config import Deployment
from penstock_infra.dashboard_layout import Widget, figures, graph, laid_out, lines, search
from penstock_infra.measures import Measure, of_aurora, of_ours, of_queue, of_stream

_BILLING_REGION = "us-east-1"
"""AWS counts an account's charges there, wherever they arise."""
_VISIBLE = "ApproximateNumberOfMessagesVisible"
_FIGURES: tuple[tuple[str, MetricName, str], ...] = (
    ("readings accepted", "readings_accepted", INGEST_API),
    ("items refused", "readings_rejected", INGEST_API),
    ("predictions", "predictions_published", WORKER),
    ("frames deferred", "rows_deferred", WORKER),
    ("frames given up", "rows_dead", WORKER),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What only AWS knows by name: the region, the load balancer, the state machine, the alarms."""

    region: str
    balancer: str
    machine_arn: str
    alarm_arns: Mapping[str, Sequence[str]]
    """By severity."""


def body(deployment: Deployment, seen: Seen) -> dict[str, Any]:
    """Write the whole dashboard; without collectors nothing of ours can be shown."""
    prefix, region = deployment.name_prefix, seen.region
    ours = METRICS if deployment.traces else ()
    happens = [_of_metric(prefix, region, metric) for metric in ours if metric.is_business]
    inside = [_of_metric(prefix, region, metric) for metric in ours if not metric.is_business]
    sections = [
        (_heading(deployment), [*_alarms(seen), _charges()]),
        ("## What happens", [*_key_figures(deployment, region), *happens]),
        ("## Queues", list(_queues(prefix, region))),
        ("## Tasks", [_of_tasks(prefix, region, command) for command in COMMANDS]),
        (
            "## Door, Aurora, endpoints, trainings",
            [*_door(seen), *_platform(prefix, seen), *_deliveries(deployment, region)],
        ),
        ("## Inside the services", inside),
    ]
    return {"start": "-PT6H", "periodOverride": "inherit", "widgets": list(laid_out(sections))}


def _heading(deployment: Deployment) -> str:
    runbook = deployment.alarms.runbook_url
    where = f"[runbook]({runbook})" if runbook else f"runbook: {RUNBOOK}"
    return f"# {deployment.name_prefix}\n{where}"


def _alarms(seen: Seen) -> Iterator[Widget]:
    for severity, arns in seen.alarm_arns.items():
        if arns:
            properties = {"title": f"Alarms: {severity}", "alarms": list(arns)}
            yield {"type": "alarm", "properties": properties}


def _charges() -> Widget:
    charges = ["AWS/Billing", "EstimatedCharges", "Currency", "USD", {"stat": "Maximum"}]
    title = "Charges of the whole account this month, USD (once billing alerts are on)"
    return graph(title, _BILLING_REGION, [charges], seconds=6 * 3600)


def _key_figures(deployment: Deployment, region: str) -> Iterator[Widget]:
    if deployment.traces:
        measures = [
            (label, of_ours(deployment.name_prefix, name, service=service, seconds=300))
            for label, name, service in _FIGURES
        ]
        yield figures("In five minutes", region, measures)


def _of_metric(prefix: str, region: str, metric: Metric) -> Widget:
    """Show a metric by all its labels, whatever values they take."""
    schema = ",".join((f'"{cloudwatch_namespace(prefix)}"', *metric.dimensions[-1]))
    found = f'{{{schema}}} MetricName="{metric.exposed_name}"'
    return search(metric.help, region, f"SEARCH('{found}', '{metric.statistic}', 60)")


def _queues(prefix: str, region: str) -> Iterator[Widget]:
    for title, name in (
        ("Messages that wait", _VISIBLE),
        ("Messages being worked on", "ApproximateNumberOfMessagesNotVisible"),
        ("Age of the oldest message, s", "ApproximateAgeOfOldestMessage"),
    ):
        measures = [(queue.name, of_queue(prefix, queue.name, name)) for queue in QUEUES]
        yield lines(title, region, measures)
    dead = [(name, of_queue(prefix, name, _VISIBLE)) for name in DEAD_LETTER_QUEUES]
    yield lines("Dead letters", region, dead)


def _of_tasks(prefix: str, region: str, command: Command) -> Widget:
    of = {"ClusterName": prefix, "ServiceName": command.name}
    shares = [
        (label, Measure(namespace="AWS/ECS", name=name, dimensions=of, statistic="Average"))
        for label, name in (("CPU", "CPUUtilization"), ("memory", "MemoryUtilization"))
    ]
    widget = lines(f"{command.name}: CPU and memory in %, tasks", region, shares)
    count = ["ECS/ContainerInsights", "RunningTaskCount", *(p for pair in of.items() for p in pair)]
    options = {"stat": "Average", "label": "tasks", "yAxis": "right"}
    widget["properties"]["metrics"].append([*count, options])
    return widget


def _door(seen: Seen) -> Iterator[Widget]:
    of = {"LoadBalancer": seen.balancer}
    answers = [
        (label, Measure(namespace="AWS/ApplicationELB", name=name, dimensions=of, statistic="Sum"))
        for label, name in (
            ("requests", "RequestCount"),
            ("4xx", "HTTPCode_Target_4XX_Count"),
            ("5xx", "HTTPCode_Target_5XX_Count"),
            ("5xx of the load balancer", "HTTPCode_ELB_5XX_Count"),
        )
    ]
    yield lines("Requests and refusals", seen.region, answers)
    seconds = ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", seen.balancer]
    times = [[*seconds, {"stat": stat, "label": stat}] for stat in ("p50", "p99")]
    yield graph("Seconds to answer", seen.region, times)


def _platform(prefix: str, seen: Seen) -> Iterator[Widget]:
    aurora = [
        ("capacity", of_aurora(prefix, "ACUUtilization", "Average")),
        ("connections", of_aurora(prefix, "DatabaseConnections", "Maximum")),
    ]
    yield lines("Aurora: capacity used in %, connections", seen.region, aurora)
    for title, name, stat in (
        ("Endpoints: model latency, µs", "ModelLatency", "Average"),
        ("Endpoints: calls", "Invocations", "Sum"),
        ("Endpoints: 5xx answers", "Invocation5XXErrors", "Sum"),
    ):
        yield search(title, seen.region, _of_endpoints(prefix, name, stat))
    of = {"StateMachineArn": seen.machine_arn}
    trainings = [
        (end, Measure(namespace="AWS/States", name=f"Executions{end}", dimensions=of,
                      statistic="Sum"))
        for end in ("Started", "Succeeded", "Failed", "TimedOut", "Aborted")
    ]  # fmt: skip
    yield lines("Trainings", seen.region, trainings)


def _of_endpoints(prefix: str, name: str, stat: str) -> str:
    # SEARCH takes bare words for parts of any name: the prefix's find all endpoints of ours.
    words = prefix.replace("-", " ")
    found = f'{{AWS/SageMaker,EndpointName,VariantName}} MetricName="{name}" {words}'
    return f"SEARCH('{found}', '{stat}', 60)"


def _deliveries(deployment: Deployment, region: str) -> Iterator[Widget]:
    switches = deployment.extras
    streams = {"device-messages": switches.delivery, "latest-changes": switches.prediction_stream}
    ours = [
        (name, of_stream(deployment.name_prefix, name)) for name, is_on in streams.items() if is_on
    ]
    if ours:
        yield lines("Age of what Firehose holds, s", region, ours)
