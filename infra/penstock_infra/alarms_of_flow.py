"""When the flow of readings and predictions counts as a problem: by what Penstock itself counts."""

from collections.abc import Iterator

from penstock.metrics import INGEST_API, WORKER, WRITER
from penstock.resources import COMMANDS

from penstock_infra.alarm_rule import FIVE_MINUTES, Rule, read_queues
from penstock_infra.config import Deployment
from penstock_infra.measures import MINUTE, Formula, endpoint_query, of_ours

_TRIED_IN_FIVE_MINUTES = 100
"""Readings below which a share of refused ones says little."""


def rules(deployment: Deployment) -> Iterator[Rule]:
    """Every alarm on endpoints, and on metrics of ours where a collector sends them."""
    yield from _of_endpoints(deployment)
    if deployment.traces:
        yield from _of_readings(deployment)
        yield from _of_worker(deployment)
        yield from _of_sinks(deployment)


def _of_readings(deployment: Deployment) -> Iterator[Rule]:
    prefix, told = deployment.name_prefix, deployment.alarms
    accepted = of_ours(prefix, "readings_accepted", service=INGEST_API, seconds=FIVE_MINUTES)
    rejected = of_ours(prefix, "readings_rejected", service=INGEST_API, seconds=FIVE_MINUTES)
    tried = "(FILL(accepted, 0) + FILL(rejected, 0))"
    yield Rule(
        problem="PS-READINGS-REFUSED",
        what="share",
        watches=Formula(
            expression=(
                f"IF({tried} >= {_TRIED_IN_FIVE_MINUTES}, 100 * FILL(rejected, 0) / {tried}, 0)"
            ),
            of={"accepted": accepted, "rejected": rejected},
            seconds=FIVE_MINUTES,
        ),
        limit=told.refused_percent,
        times=3,
    )
    if told.silent_minutes is not None:
        yield Rule(
            problem="PS-READINGS-SILENT",
            what="all",
            watches=of_ours(
                prefix, "readings_accepted", service=INGEST_API,
                seconds=told.silent_minutes * MINUTE,
            ),
            rings="below",
            limit=1,
            rings_unmeasured=True,
        )  # fmt: skip


def _of_worker(deployment: Deployment) -> Iterator[Rule]:
    prefix = deployment.name_prefix
    yield Rule(
        problem="PS-CONTEXT-STALE",
        what="worker",
        watches=of_ours(prefix, "context_stale", service=WORKER),
        limit=0,
        times=10,
    )
    yield Rule(
        problem="PS-CORRECTIONS-SHORT",
        what="worker",
        watches=of_ours(prefix, "packs_forgotten", service=WORKER, seconds=FIVE_MINUTES),
        limit=0,
    )
    yield Rule(
        # A throttle of a minute defers frames too; an endpoint that is down goes on doing so.
        problem="PS-ENDPOINT-FAILING",
        what="deferred",
        watches=of_ours(prefix, "rows_deferred", service=WORKER, seconds=FIVE_MINUTES),
        limit=0,
        times=3,
    )
    yield Rule(
        problem="PS-FRAMES-DEAD",
        what="worker",
        watches=of_ours(prefix, "rows_dead", service=WORKER, seconds=FIVE_MINUTES),
        limit=0,
    )


def _of_endpoints(deployment: Deployment) -> Iterator[Rule]:
    """CloudWatch's alarms know no prefix of names: each endpoint to watch is told by name."""
    prefix, told = deployment.name_prefix, deployment.alarms
    for endpoint in told.endpoints:
        yield Rule(
            problem="PS-ENDPOINT-FAILING",
            what=endpoint,
            watches=endpoint_query(prefix, endpoint, "SUM", "Invocation5XXErrors"),
            limit=0,
            times=3,
        )
        yield Rule(
            problem="PS-ENDPOINT-SLOW",
            what=endpoint,
            watches=endpoint_query(prefix, endpoint, "AVG", "ModelLatency"),
            limit=told.endpoint_latency_ms * 1000,  # it is measured in microseconds
            times=3,
        )


def _of_sinks(deployment: Deployment) -> Iterator[Rule]:
    prefix, told = deployment.name_prefix, deployment.alarms
    (writer,) = (command for command in COMMANDS if command.name == WRITER)
    for queue in writer.consumes:
        if queue not in read_queues(deployment):
            continue
        yield Rule(
            problem="PS-SINK-STALLED",
            what=f"{queue.name}-behind",
            watches=of_ours(prefix, "oldest_message_seconds", service=WRITER, queue=queue.name),
            limit=told.sink_lag_seconds,
            times=3,
        )
        yield Rule(
            problem="PS-SINK-STALLED",
            what=f"{queue.name}-down",
            watches=of_ours(prefix, "sink_up", service=WRITER, sink=queue.name),
            rings="below",
            limit=1,
            times=5,
        )
