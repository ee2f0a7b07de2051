"""Spans kept in memory, for tests that look at what was recorded."""

import random
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from penstock.runtime.tracing import Tracing


def recording(*, ratio: float = 1.0) -> tuple[Tracing, InMemorySpanExporter]:
    """Tracing as a process has it, and where its ended spans are."""
    spans = InMemorySpanExporter()
    provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return Tracing(provider.get_tracer("test"), ratio=ratio, chance=random.Random(7)), spans


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    """The ended spans; of two with one name the later one."""
    return {span.name: span for span in spans.get_finished_spans()}


def trace_id(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def parent_of(span: ReadableSpan, spans: Sequence[ReadableSpan]) -> ReadableSpan | None:
    """The span that another is a part of, if it is among these."""
    wanted = span.parent.span_id if span.parent else None
    return next((one for one in spans if one.context and one.context.span_id == wanted), None)


def linked_traces(span: ReadableSpan) -> set[str]:
    return {f"{link.context.trace_id:032x}" for link in span.links}
