"""The traces of late, in memory: bounded in traces, in spans, and in spans of one trace."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from penstock_local.observing.records import NANOSECONDS_PER_MS, SpanRecord, Trace

_SHORTEST_PREFIX = 8


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept; the trace that was longest without news goes first."""

    traces: int = 2_000
    spans: int = 60_000
    spans_of_one: int = 2_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which traces to list."""

    service: str = ""
    text: str = ""
    """A part of a span's name, or the whole of an attribute's value."""
    failed: bool = False
    at_least_ms: float = 0.0


class TraceStore:
    """Keeps spans by trace."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        """Start empty."""
        self._bounds = bounds or Bounds()
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        self._spans = 0

    def __len__(self) -> int:
        """How many traces are kept."""
        return len(self._traces)

    @property
    def spans(self) -> int:
        """How many spans are kept."""
        return self._spans

    @property
    def services(self) -> list[str]:
        """Every service that a kept trace knows, by name."""
        return sorted({name for trace in self._traces.values() for name in trace.services})

    def add(self, spans: Iterable[SpanRecord]) -> None:
        """Keep spans; one that comes again replaces itself."""
        for span in spans:
            trace = self._traces.get(span.trace_id)
            if trace is None:
                trace = self._traces[span.trace_id] = Trace(span.trace_id)
            self._traces.move_to_end(span.trace_id)
            if span.span_id not in trace.spans:
                if len(trace.spans) >= self._bounds.spans_of_one:
                    trace.left_out += 1
                    continue
                self._spans += 1
            trace.spans[span.span_id] = span
        self._forget()

    def get(self, trace_id: str) -> Trace | None:
        """Look a trace up by its id."""
        return self._traces.get(trace_id)

    def find(self, text: str) -> Trace | None:
        """The newest trace of that id, or beginning of an id, or with that attribute's value."""
        text = text.strip()
        if not text:
            return None
        if found := self._traces.get(text.lower()):
            return found
        for trace in self._newest_first():
            if len(text) >= _SHORTEST_PREFIX and trace.trace_id.startswith(text.lower()):
                return trace
            if any(text in span.attributes.values() for span in trace.spans.values()):
                return trace
        return None

    def recent(self, wanted: Wanted, *, most: int = 100) -> list[Trace]:
        """Newest first, those that are wanted."""
        found: list[Trace] = []
        for trace in self._newest_first():
            if len(found) == most:
                break
            if _is_wanted(trace, wanted):
                found.append(trace)
        return sorted(found, key=lambda trace: trace.started_at, reverse=True)

    def linking_to(self, trace_id: str) -> list[str]:
        """Traces whose spans name this one."""
        return [
            other.trace_id
            for other in self._newest_first()
            if other.trace_id != trace_id and trace_id in other.links()
        ]

    def _newest_first(self) -> Iterator[Trace]:
        return reversed(self._traces.values())

    def _forget(self) -> None:
        while len(self._traces) > self._bounds.traces or self._spans > self._bounds.spans:
            _, oldest = self._traces.popitem(last=False)
            self._spans -= len(oldest.spans)


def _is_wanted(trace: Trace, wanted: Wanted) -> bool:
    if wanted.failed and not trace.errors:
        return False
    if trace.ended_at - trace.started_at < wanted.at_least_ms * NANOSECONDS_PER_MS:
        return False
    if wanted.service and wanted.service not in trace.services:
        return False
    return not wanted.text or any(
        wanted.text.lower() in span.name.lower() or wanted.text in span.attributes.values()
        for span in trace.spans.values()
    )
