"""Metrics under a closed list of names, and the trace context that messages carry."""

import os
import re
from typing import Literal

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, generate_latest

MetricName = Literal[
    "http_requests",  # counter: requests by route and code
    "deliveries",  # counter: settled deliveries by queue and outcome
    "delivery_seconds",  # histogram: from receive to settle, by queue
    "receive_failures",  # counter: receives that the broker did not answer, by queue
    "consumer_paused",  # gauge: 1 while a consumer waits for its dependency, by queue
    "readings",  # counter: readings that reached the worker, by fate
    "state_conflicts",  # counter: frame states that another worker wrote first
    "corrections_sent",  # counter: ranges of event times sent to be computed from the archive
    "predictions_published",  # counter: predictions that the topic took
    "rows_deferred",  # counter: finished frames that wait for their endpoint, by endpoint
    "rows_dead",  # counter: finished frames given up, by endpoint
    "frames_corrected",  # counter: frames made again from the archive
    "frames_skipped",  # counter: frames with too few features to ask about
    "context_stale",  # gauge: 1 while assets, bindings or models cannot be read anew
    "sink_rows",  # counter: predictions by sink and outcome (written, superseded, dead)
    "sink_batches",  # counter: writes, by sink; rows by batches is the size of a batch
    "sink_flush_seconds",  # histogram: how long a write took, by sink
    "sink_up",  # gauge: 1 while the place behind a queue answers, by sink
    "oldest_message_seconds",  # gauge: age of the oldest pack last written, by queue
    "archive_rows",  # counter: readings, sequences and rejects archived, by kind
    "slices",  # counter: slices by what became of them
    "source_requests",  # counter: requests to REST sources by source and code
    "datasets",  # counter: prepared datasets by what became of them
    "readings_accepted",  # counter: readings and sequences that were taken and are durable
    "readings_rejected",  # counter: items that were refused and are in quarantine, by reason
    "readings_superseded",  # counter: readings that the same body said again later
    "qualities_unknown",  # counter: qualities that the gateway's scheme does not know
    "keys_refused",  # counter: wrong keys by gateway (unknown: the name itself is)
    "quota_exceeded",  # counter: requests over their gateway's quota, by gateway and outcome
    "packs_published",  # counter: packs by kind and outcome
    "pack_bytes",  # counter: bytes of those packs by kind
    "flush_seconds",  # histogram: publishing one group of packs
    "ingest_queued_readings",  # gauge: what waits to be published
]

_BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]
"""Histograms hold seconds: from a fast call to a slow batch."""

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


class Metrics:
    """The metrics of one process, through OpenTelemetry, shown in Prometheus' text format."""

    def __init__(self, service: str) -> None:
        """Open the meter; one per process."""
        # A registry of its own: two applications of one test process do not meet.
        self._registry = CollectorRegistry()
        self._reader = PrometheusMetricReader(
            disable_target_info=True, scope_info_enabled=False, registry=self._registry
        )
        resource = Resource.create({"service.name": service})
        self._provider = MeterProvider(resource=resource, metric_readers=[self._reader])
        self._meter = self._provider.get_meter("penstock")
        self._counters = {}  # type: ignore[var-annotated]
        self._histograms = {}  # type: ignore[var-annotated]
        self._gauges = {}  # type: ignore[var-annotated]

    def count(self, name: MetricName, amount: int = 1, **labels: str) -> None:
        """Raise a counter."""
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = self._meter.create_counter(f"penstock_{name}")
        counter.add(amount, labels)

    def observe(self, name: MetricName, value: float, **labels: str) -> None:
        """Add a value to a histogram."""
        histogram = self._histograms.get(name)
        if histogram is None:
            histogram = self._histograms[name] = self._meter.create_histogram(
                f"penstock_{name}", explicit_bucket_boundaries_advisory=_BOUNDARIES
            )
        histogram.record(value, labels)

    def gauge(self, name: MetricName, value: float, **labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = self._meter.create_gauge(f"penstock_{name}")
        gauge.set(value, labels)

    def render(self) -> bytes:
        """Write all metrics as Prometheus reads them."""
        return generate_latest(self._registry)

    def close(self) -> None:
        """Stop the meter."""
        self._provider.shutdown()


def new_traceparent() -> str:
    """Start a trace (www.w3.org/TR/trace-context)."""
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"


def child_of(traceparent: str) -> str:
    """Continue a trace under a new span, or start one where there is none."""
    trace_id = trace_id_of(traceparent)
    return f"00-{trace_id}-{os.urandom(8).hex()}-01" if trace_id else new_traceparent()


def trace_id_of(traceparent: str) -> str:
    """Trace id of a traceparent; empty where it is not one."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return match.group(1) if match else ""
