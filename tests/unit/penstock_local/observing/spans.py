"""Spans for the viewer's tests."""

from penstock_local.observing.records import Link, SpanRecord

MS = 1_000_000
BEGAN = 1_790_000_000_000_000_000


def make_span(
    span_id: str = "a",
    *,
    parent: str = "",
    trace: str = "4bf92f3577b34da6a3ce929d0e0e4736",
    service: str = "ingest-api",
    name: str = "POST /v1/readings",
    kind: str = "internal",
    start_ms: float = 0,
    end_ms: float = 10,
    links: tuple[str, ...] = (),
    error: str | None = None,
    attributes: dict[str, str] | None = None,
) -> SpanRecord:
    return SpanRecord(
        trace_id=trace, span_id=span_id, parent_id=parent, service=service, name=name, kind=kind,
        started_at=BEGAN + round(start_ms * MS), ended_at=BEGAN + round(end_ms * MS), error=error,
        links=tuple(Link(other, "s1") for other in links), attributes=attributes or {},
    )  # fmt: skip
