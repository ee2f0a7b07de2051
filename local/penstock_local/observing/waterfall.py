"""A trace as rows of a waterfall: who is part of whom, and where on the time axis. All pure."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from penstock_local.observing.records import NANOSECONDS_PER_MS, SpanRecord, Trace

_MOST_TICKS = 8
_SHORTEST_MS = 1e-3


@dataclass(frozen=True, slots=True)
class Row:
    """One span; `left` and `width` are shares of the whole in percent."""

    span: SpanRecord
    depth: int
    left: float
    width: float
    waited_ms: float
    """From the end of what it followed to its own beginning: the time in a queue."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A line on the time axis."""

    left: float
    label: str


def rows_of(trace: Trace) -> list[Row]:
    """Every span once, parts below their whole, in order of time."""
    began, whole = trace.started_at, max(1, trace.ended_at - trace.started_at)
    return [
        Row(
            span,
            depth,
            left=100 * (span.started_at - began) / whole,
            width=100 * max(0, span.ended_at - span.started_at) / whole,
            waited_ms=_waited_ms(trace, span),
        )
        for span, depth in _walk(list(trace.spans.values()))
    ]


def ticks_of(trace: Trace) -> list[Tick]:
    """Round times for the axis, from the beginning on."""
    whole = max(trace.duration_ms, _SHORTEST_MS)
    step = _round_step(whole)
    count = int(whole / step)
    return [Tick(100 * n * step / whole, time_label(n * step)) for n in range(count + 1)]


def _round_step(whole: float) -> float:
    magnitude: float = 10.0 ** math.floor(math.log10(whole / _MOST_TICKS))
    return next(n * magnitude for n in (1, 2, 5, 10) if whole / (n * magnitude) <= _MOST_TICKS)


def time_label(ms: float) -> str:
    """A duration for people."""
    if ms >= 60_000:
        return f"{ms / 60_000:.3g} min"
    if ms >= 1_000:
        return f"{ms / 1_000:.3g} s"
    return f"{ms:.3g} ms"


def _waited_ms(trace: Trace, span: SpanRecord) -> float:
    cause = trace.spans.get(span.parent_id)
    if cause is None or span.kind != "consumer":
        return 0.0
    return max(0, span.started_at - cause.ended_at) / NANOSECONDS_PER_MS


def _walk(spans: Sequence[SpanRecord]) -> Iterator[tuple[SpanRecord, int]]:
    """Depth first, without recursion: a trace may be as deep as its spans are many.

    Spans that are parts of one another in a circle hang below nothing; they come last.
    """
    known = {span.span_id for span in spans}
    parts: defaultdict[str, list[SpanRecord]] = defaultdict(list)
    for span in sorted(spans, key=lambda one: (one.started_at, one.ended_at), reverse=True):
        parts[span.parent_id if span.parent_id in known else ""].append(span)
    waiting = [(span, 0) for span in parts[""]]
    seen: set[str] = set()
    while waiting:
        span, depth = waiting.pop()
        seen.add(span.span_id)
        yield span, depth
        waiting += [(part, depth + 1) for part in parts[span.span_id]]
    yield from ((span, 0) for span in spans if span.span_id not in seen)
