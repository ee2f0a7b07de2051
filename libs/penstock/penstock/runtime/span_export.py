"""Spans to a collector by OTLP over HTTP, from a thread of their own: nobody waits for them.

What waits is bounded. While the collector is down, spans are given up and counted.
"""

import asyncio
import logging
import threading
from collections.abc import Sequence

import structlog
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from penstock.runtime.settings import CoreSettings
from penstock.runtime.telemetry import Metrics
from penstock.runtime.tracing import MOST_LINKS, Tracing

_QUEUED_SPANS = 4096
_BATCH_SPANS = 512
_DELAY_MS = 1_000
_SEND_SECONDS = 5.0
"""For so long one batch is tried."""
_DRAIN_SECONDS = 3.0
"""For so long a stop waits for what is queued."""
_GIVING_UP_SECONDS = 0.5
_TEXT_CHARACTERS = 1_000

log = structlog.get_logger()


class TracedProcess:
    """Metrics and tracing of one process, and the way of its spans out; `close` ends it."""

    def __init__(
        self,
        settings: CoreSettings,
        service: str,
        metrics: Metrics,
        *,
        exporter: SpanExporter | None = None,
    ) -> None:
        """Record where the settings name a collector, or into `exporter`; connect to none yet."""
        self._sending: _Sending | None = None
        self.metrics = metrics
        self.tracing = Tracing()
        if exporter is None and settings.otlp_endpoint:
            exporter = _to_collector(settings.otlp_endpoint)
        if exporter is None:
            return
        resource = Resource.create(
            {"service.name": service, "deployment.environment.name": settings.environment}
        )
        self._sending = sending = _Sending(exporter, resource)
        metrics.count_from("spans", sending.counts)
        self.tracing = Tracing(sending.provider.get_tracer("penstock"), ratio=settings.traces_ratio)

    async def close(self) -> None:
        """Send what is queued, for a few seconds at most."""
        if self._sending is not None:
            await self._sending.close()


def _to_collector(endpoint: str) -> SpanExporter:
    # Headers and certificates come from the standard OTEL_EXPORTER_OTLP_* variables.
    return OTLPSpanExporter(
        endpoint=f"{endpoint.rstrip('/')}/v1/traces",
        timeout=_SEND_SECONDS,
        compression=Compression.Gzip,
    )


class _Sending:
    """Processor, queue and exporter of one process."""

    def __init__(self, exporter: SpanExporter, resource: Resource) -> None:
        # The library repeats itself at every try; `_Counting` tells once that it fails.
        logging.getLogger("opentelemetry.exporter.otlp").setLevel(logging.CRITICAL)
        self._exporter = _Counting(exporter)
        self._processor = _Bounded(self._exporter)
        # Who begins a trace has decided already; the standard sampler settings do not add to it.
        self.provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=resource,
            shutdown_on_exit=False,
            span_limits=SpanLimits(
                max_links=MOST_LINKS, max_span_attribute_length=_TEXT_CHARACTERS
            ),
        )
        self.provider.add_span_processor(self._processor)

    def counts(self) -> dict[str, int]:
        """What became of spans so far."""
        return {
            "sent": self._exporter.sent,
            "refused": self._exporter.refused,
            "dropped": self._processor.dropped,
        }

    async def close(self) -> None:
        # A thread that nobody waits for at the end: a collector that hangs would hold the process.
        closing = threading.Thread(target=self.provider.shutdown, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, _DRAIN_SECONDS)
        if closing.is_alive():
            self._exporter.give_up()
            await asyncio.to_thread(closing.join, _GIVING_UP_SECONDS)
            log.warning("spans.abandoned", **self.counts())


class _Counting(SpanExporter):
    """Counts what the collector took; says once that it takes nothing, and once that it does."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._has_failed = False
        self._has_given_up = False
        self.taken = 0
        self.sent = 0
        self.refused = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        failed = self._has_given_up or self._inner.export(spans) is not SpanExportResult.SUCCESS
        if failed:
            self.refused += len(spans)
        else:
            self.sent += len(spans)
        if failed != self._has_failed:
            self._has_failed = failed
            tell = log.warning if failed else log.info
            tell("spans.refused" if failed else "spans.accepted", spans=len(spans))
        return SpanExportResult.FAILURE if failed else SpanExportResult.SUCCESS

    def give_up(self) -> None:
        """Send nothing more."""
        self._has_given_up = True
        self._inner.shutdown()

    def shutdown(self) -> None:
        if not self._has_given_up:
            self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


class _Bounded(BatchSpanProcessor):
    """Drops what comes while the queue is full, and counts it, without a word for each."""

    def __init__(self, exporter: _Counting) -> None:
        super().__init__(
            exporter,
            max_queue_size=_QUEUED_SPANS,
            schedule_delay_millis=_DELAY_MS,
            max_export_batch_size=_BATCH_SPANS,
        )
        self._counting = exporter
        self._queued = 0
        self.dropped = 0

    def on_end(self, span: ReadableSpan) -> None:
        # Both counters only rise, each in one thread: their difference is never too small.
        if self._queued - self._counting.taken >= _QUEUED_SPANS:
            self.dropped += 1
            return
        self._queued += 1
        super().on_end(span)
