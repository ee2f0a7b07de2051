"""Spans: what a process does for a trace, sent to a collector where the settings name one.

A span that nobody records costs next to nothing and still hands its trace on. Work that many
traces share, a batch, continues one of them and links to the others.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Literal, Self, TypeAlias

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from penstock.runtime.traceparent import is_sampled, new_traceparent, trace_id_of

Kind: TypeAlias = Literal["internal", "server", "client", "producer", "consumer"]
Attributes: TypeAlias = Mapping[str, str | bool | int | float | Sequence[str]]

MOST_LINKS = 32
"""Other traces that a span names: a batch of a thousand must not become a megabyte."""

_KINDS: Mapping[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
_CURRENT = otel_context.create_key("penstock-span")
_NOTHING: Attributes = {}


class Span:
    """A piece of work in a trace that nobody records; `RecordedSpan` is one that somebody does."""

    __slots__ = ("_trace",)
    is_recorded = False

    def __init__(self, trace: str = "") -> None:
        """Hand on this trace context, or a new one where it is empty."""
        self._trace = trace

    @property
    def trace(self) -> str:
        """The trace context that it hands on; empty where nothing began one."""
        return self._trace

    @property
    def traceparent(self) -> str:
        """What a message that continues the work should carry: never empty."""
        return self._trace or new_traceparent()

    def child(self, name: str, *, attributes: Attributes = _NOTHING) -> "Span":  # noqa: ARG002
        """Begin a part of this work."""
        return self

    def note(self, attributes: Attributes) -> None:
        """Say more of the work."""

    def rename(self, name: str) -> None:
        """Call the work by another name, once it is known."""

    def fail(self, reason: str) -> None:
        """Mark the work as failed."""

    def link(self, other: "Span") -> None:
        """Name a span of another trace that did a part of this work."""

    def end(self, at: int | None = None) -> None:
        """Finish, now or at a time in nanoseconds of the epoch."""

    def __enter__(self) -> Self:
        """Do the work; of a recorded span its log lines carry the ids."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish; an error marks it as failed and goes on."""


class RecordedSpan(Span):
    """A span on its way to the collector."""

    __slots__ = ("_inner", "_token", "_tracer")
    is_recorded = True

    def __init__(self, tracer: otel.Tracer, inner: otel.Span) -> None:
        """Wrap a span that has begun."""
        context = inner.get_span_context()
        super().__init__(f"00-{context.trace_id:032x}-{context.span_id:016x}-01")
        self._tracer = tracer
        self._inner = inner
        self._token: object = None

    @property
    def context(self) -> SpanContext:
        """The ids, as OpenTelemetry has them."""
        return self._inner.get_span_context()

    @property
    def trace_id(self) -> int:
        """Which trace it is of."""
        return self.context.trace_id

    def child(self, name: str, *, attributes: Attributes = _NOTHING) -> Span:
        parent = otel.set_span_in_context(self._inner, Context())
        inner = self._tracer.start_span(name, parent, SpanKind.INTERNAL, attributes)
        return RecordedSpan(self._tracer, inner)

    def note(self, attributes: Attributes) -> None:
        self._inner.set_attributes(attributes)

    def rename(self, name: str) -> None:
        self._inner.update_name(name)

    def fail(self, reason: str) -> None:
        self._inner.set_status(Status(StatusCode.ERROR, reason))

    def link(self, other: Span) -> None:
        is_open = self._inner.is_recording()  # who waited for the other may have given up
        if is_open and isinstance(other, RecordedSpan) and other.trace_id != self.trace_id:
            self._inner.add_link(other.context)

    def end(self, at: int | None = None) -> None:
        self._inner.end(at)

    def __enter__(self) -> Self:
        context = otel_context.set_value(_CURRENT, self, otel.set_span_in_context(self._inner))
        self._token = otel_context.attach(context)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        otel_context.detach(self._token)  # type: ignore[arg-type]  # what __enter__ got
        if error is not None:
            self.fail(f"{type(error).__name__}: {error}")
        self._inner.end()


UNTRACED = Span()


def current_span() -> Span:
    """The recorded span that the running task is in, or UNTRACED.

    A task inherits it from who started it: in work that many share it is that of the first.
    """
    found = otel_context.get_value(_CURRENT)
    return found if isinstance(found, Span) else UNTRACED


class Tracing:
    """Begins the spans of a process; without a tracer nothing is recorded.

    Whether a trace is recorded is decided once, where it begins, by `ratio`; everybody after goes
    by what the traceparent says.
    """

    def __init__(
        self, tracer: otel.Tracer | None = None, *, ratio: float = 0.0,
        chance: random.Random | None = None,
    ) -> None:  # fmt: skip
        """Record by this tracer the share `ratio` of the traces that begin here."""
        self._tracer = tracer
        self._ratio = ratio
        self._chance = chance or random.Random()  # noqa: S311 -- picks samples, keeps no secret

    @property
    def is_on(self) -> bool:
        """Whether anything is recorded at all."""
        return self._tracer is not None

    def samples(self, trace: str) -> bool:
        """Whether to record work that continues `trace`, or begins one where that is empty."""
        if self._tracer is None:
            return False
        return is_sampled(trace) if trace else self._chance.random() < self._ratio

    def span(
        self,
        name: str,
        trace: str = "",
        *,
        kind: Kind = "internal",
        attributes: Attributes = _NOTHING,
        links: Sequence[str] = (),
    ) -> Span:
        """Begin work that continues `trace`, or begins one; `with` it, or end it."""
        if self._tracer is None or not self.samples(trace):
            return Span(trace)
        parent = Context()
        if trace:
            parent = otel.set_span_in_context(otel.NonRecordingSpan(_context_of(trace)), parent)
        inner = self._tracer.start_span(
            name,
            parent,
            _KINDS[kind],
            attributes,
            [otel.Link(_context_of(link)) for link in links],
        )
        return RecordedSpan(self._tracer, inner)

    def shared_span(
        self,
        name: str,
        traces: Iterable[str],
        *,
        kind: Kind = "internal",
        attributes: Attributes = _NOTHING,
    ) -> Span:
        """Begin work of many traces: it continues the first sampled one, and links to the others.

        Where none is sampled it hands on the first that there is.
        """
        if self._tracer is None:
            return Span(next((trace for trace in traces if trace), ""))
        by_id: dict[str, str] = {}
        for trace in dict.fromkeys(traces):
            if trace:
                by_id.setdefault(trace_id_of(trace), trace)
        sampled = [trace for trace in by_id.values() if is_sampled(trace)]
        if not sampled:
            return Span(next(iter(by_id.values()), ""))
        first, *others = sampled
        noted = {**attributes, "penstock.traces": len(sampled)}
        return self.span(name, first, kind=kind, attributes=noted, links=others[:MOST_LINKS])


NO_TRACING = Tracing()


def _context_of(trace: str) -> SpanContext:
    _, trace_id, span_id, flags = trace.split("-")
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True,
        trace_flags=TraceFlags(int(flags, 16)),
    )  # fmt: skip
