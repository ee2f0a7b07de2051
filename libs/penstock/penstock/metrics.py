"""Every metric that Penstock's processes show: name, kind, unit, labels, who shows it, meaning.

The code that counts, the table in docs/observability.md, the collector of a deployment and its
dashboards all go by this list. Standard library alone, so that anything may read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

CounterName = Literal[
    "archive_rows",
    "corrections_sent",
    "datasets",
    "deliveries",
    "frames_corrected",
    "frames_skipped",
    "http_requests",
    "issuer_reads",
    "keys_refused",
    "pack_bytes",
    "packs_forgotten",
    "packs_published",
    "predictions_published",
    "qualities_unknown",
    "quota_exceeded",
    "readings",
    "readings_accepted",
    "readings_rejected",
    "readings_superseded",
    "receive_failures",
    "rows_dead",
    "rows_deferred",
    "sink_batches",
    "sink_rows",
    "slices",
    "source_requests",
    "spans",
    "state_conflicts",
]
HistogramName = Literal["delivery_seconds", "flush_seconds", "sink_flush_seconds"]
GaugeName = Literal[
    "consumer_paused",
    "context_stale",
    "ingest_queued_readings",
    "oldest_message_seconds",
    "sink_up",
]
MetricName = Literal[CounterName, HistogramName, GaugeName]
"""For the type checker, which cannot read a table; a test holds the two to each other."""

Kind = Literal["counter", "histogram", "gauge"]
Unit = Literal["Count", "Seconds", "Bytes", "None"]
"""As CloudWatch writes them; `None` is a claim, 0 or 1."""

SERVICE_DIMENSION = "service"
"""The first dimension of every metric in CloudWatch: the command that shows it."""

_EXPOSED_PREFIX = "penstock_"


def cloudwatch_namespace(prefix: str) -> str:
    """Where a deployment's collectors put them: two deployments of one account stay apart."""
    return f"Penstock/{prefix}"


INGEST_API, WORKER, WRITER = "ingest-api", "inference-worker", "results-writer"
ORCHESTRATOR, FETCHER, PREPARER = "training-orchestrator", "training-fetcher", "training-preparer"
CONSOLE = "console"

_CONSUMERS = (WORKER, WRITER, ORCHESTRATOR, FETCHER, PREPARER, CONSOLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: what it says, and in which words.

    `is_business` tells what happens to readings, predictions and trainings from how the machinery
    fares; an operator looks at the first to know whether anybody is hurt, and at the second why.
    """

    name: MetricName
    kind: Kind
    unit: Unit
    labels: tuple[str, ...]
    services: tuple[str, ...]
    """Commands that show it."""
    is_business: bool
    help: str
    is_good_high: bool = False
    """Whether the lowest value of many tasks is the one to worry about."""

    @property
    def exposed_name(self) -> str:
        """The name at `/metrics` and in CloudWatch; a histogram's parts add endings to it."""
        total = "_total" if self.kind == "counter" else ""
        return f"{_EXPOSED_PREFIX}{self.name}{total}"

    @property
    def dimensions(self) -> tuple[tuple[str, ...], ...]:
        """The sets of dimensions that CloudWatch keeps: by service, and by all labels too."""
        whole = (SERVICE_DIMENSION,)
        return (whole, (*whole, *self.labels)) if self.labels else (whole,)

    @property
    def statistic(self) -> str:
        """The statistic of CloudWatch that makes sense of it; of a gauge, the worst value."""
        if self.kind == "counter":
            return "Sum"
        if self.kind == "histogram":
            return "Average"
        return "Minimum" if self.is_good_high else "Maximum"


def _counter(
    name: CounterName, help_: str, *labels: str, of: tuple[str, ...], business: bool = False,
    unit: Unit = "Count",
) -> Metric:  # fmt: skip
    return Metric(name=name, kind="counter", unit=unit, labels=labels, services=of,
                  is_business=business, help=help_)  # fmt: skip


def _histogram(name: HistogramName, help_: str, *labels: str, of: tuple[str, ...]) -> Metric:
    return Metric(name=name, kind="histogram", unit="Seconds", labels=labels, services=of,
                  is_business=False, help=help_)  # fmt: skip


def _gauge(
    name: GaugeName, help_: str, *labels: str, of: tuple[str, ...], unit: Unit,
    business: bool = False, good_high: bool = False,
) -> Metric:  # fmt: skip
    return Metric(name=name, kind="gauge", unit=unit, labels=labels, services=of,
                  is_business=business, help=help_, is_good_high=good_high)  # fmt: skip


METRICS: tuple[Metric, ...] = (
    _counter("readings_accepted", "readings and sequences that were taken and are durable",
             of=(INGEST_API,), business=True),
    _counter("readings_rejected", "items that were refused and are in quarantine", "reason",
             of=(INGEST_API,), business=True),
    _counter("readings_superseded", "readings that the same body said again later",
             of=(INGEST_API,), business=True),
    _counter("qualities_unknown", "qualities that the gateway's scheme does not know",
             of=(INGEST_API,), business=True),
    _counter("keys_refused", "wrong keys; gateway `unknown` where the name itself is", "gateway",
             of=(INGEST_API,), business=True),
    _counter("quota_exceeded", "requests over their gateway's quota", "gateway", "outcome",
             of=(INGEST_API,), business=True),
    _counter("packs_published", "packs of readings and of rejects, by what the topic said",
             "kind", "outcome", of=(INGEST_API,)),
    _counter("pack_bytes", "bytes of those packs", "kind", of=(INGEST_API,), unit="Bytes"),
    _histogram("flush_seconds", "publishing one group of packs", of=(INGEST_API,)),
    _gauge("ingest_queued_readings", "readings that wait to be published", of=(INGEST_API,),
           unit="Count"),
    _counter("readings", "readings that reached the worker, by what became of them", "fate",
             of=(WORKER,), business=True),
    _counter("predictions_published", "predictions that the topic took", of=(WORKER,),
             business=True),
    _counter("rows_deferred", "finished frames that wait for their endpoint", "endpoint",
             of=(WORKER,), business=True),
    _counter("rows_dead", "finished frames given up", "endpoint", of=(WORKER,), business=True),
    _counter("frames_skipped", "frames with too few features to ask about", of=(WORKER,),
             business=True),
    _counter("frames_corrected", "frames made again from the archive", of=(WORKER,),
             business=True),
    _counter("corrections_sent", "ranges of event times to be computed from the archive",
             of=(WORKER,), business=True),
    _counter("packs_forgotten",
             "packs not archived yet that a state has no room to name: corrections may miss them",
             of=(WORKER,)),
    _counter("state_conflicts", "frame states that another worker wrote first", of=(WORKER,)),
    _gauge("context_stale", "1 while assets, bindings or models cannot be read anew",
           of=(WORKER,), unit="None"),
    _counter("sink_rows", "predictions by what the sink made of them: written, superseded, dead",
             "sink", "outcome", of=(WRITER,), business=True),
    _counter("archive_rows", "readings, sequences and rejects archived", "kind", of=(WRITER,),
             business=True),
    _gauge("oldest_message_seconds", "age of the oldest pack last written", "queue", of=(WRITER,),
           unit="Seconds", business=True),
    _counter("sink_batches", "writes; rows by batches is the size of a batch", "sink",
             of=(WRITER,)),
    _histogram("sink_flush_seconds", "how long a write took", "sink", of=(WRITER,)),
    _gauge("sink_up", "1 while the place behind a queue answers", "sink", of=(WRITER,),
           unit="None", good_high=True),
    _counter("slices", "slices of history by what became of them", "outcome", of=(FETCHER,),
             business=True),
    _counter("source_requests", "requests to REST sources", "source", "code", of=(FETCHER,)),
    _counter("datasets", "prepared datasets by what became of them", "outcome", of=(PREPARER,),
             business=True),
    _counter("http_requests", "requests answered", "route", "code", of=(INGEST_API, *_CONSUMERS)),
    _counter("spans", "spans by what became of them: sent, refused by the collector, dropped at a "
             "full queue", "outcome", of=(INGEST_API, *_CONSUMERS)),
    _counter("issuer_reads", "reads of the keys that people's tokens are checked by", "outcome",
             of=(WRITER, ORCHESTRATOR, CONSOLE)),
    _counter("deliveries", "settled deliveries", "queue", "outcome", of=_CONSUMERS),
    _histogram("delivery_seconds", "from receive to settle", "queue", of=_CONSUMERS),
    _counter("receive_failures", "receives that the broker did not answer", "queue",
             of=_CONSUMERS),
    _gauge("consumer_paused",
           "1 while a consumer waits for its dependency, or since too many would die", "queue",
           of=_CONSUMERS, unit="None"),
)  # fmt: skip

BY_NAME: Mapping[MetricName, Metric] = MappingProxyType({metric.name: metric for metric in METRICS})
