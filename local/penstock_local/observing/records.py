"""Spans and traces as the viewer keeps them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Attributes: TypeAlias = Mapping[str, str]

NANOSECONDS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Link:
    """A span of another trace that had a part in this one's work."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRecord:
    """One ended span; times are nanoseconds of the epoch, `error` is None where all went well."""

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    name: str
    kind: str
    started_at: int
    ended_at: int
    attributes: Attributes = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    error: str | None = None

    @property
    def duration_ms(self) -> float:
        """How long it took."""
        return max(0, self.ended_at - self.started_at) / NANOSECONDS_PER_MS


@dataclass(slots=True)
class Trace:
    """The spans that came under one id, each once; `left_out` counts those past the bound."""

    trace_id: str
    spans: dict[str, SpanRecord] = field(default_factory=dict)
    left_out: int = 0

    @property
    def started_at(self) -> int:
        """When its first span began."""
        return min(span.started_at for span in self.spans.values())

    @property
    def ended_at(self) -> int:
        """When its last span ended."""
        return max(span.ended_at for span in self.spans.values())

    @property
    def duration_ms(self) -> float:
        """From its first beginning to its last end, waits in queues included."""
        return (self.ended_at - self.started_at) / NANOSECONDS_PER_MS

    @property
    def root(self) -> SpanRecord:
        """The first span that is no part of another one here."""
        own = [span for span in self.spans.values() if span.parent_id not in self.spans]
        return min(own or self.spans.values(), key=lambda span: span.started_at)

    @property
    def title(self) -> str:
        """What it is about, for people: a training by its job, else the name of the root."""
        jobs = (span.attributes.get("penstock.job_id") for span in self.spans.values())
        job = next((job for job in jobs if job), None)
        return f"training {job}" if job else self.root.name

    @property
    def services(self) -> list[str]:
        """The services that had a part, in order of their first one."""
        spans = sorted(self.spans.values(), key=lambda span: span.started_at)
        return list(dict.fromkeys(span.service for span in spans))

    @property
    def errors(self) -> int:
        """How many of its spans failed."""
        return sum(span.error is not None for span in self.spans.values())

    def links(self) -> Iterable[str]:
        """Other traces that its spans name."""
        return (link.trace_id for span in self.spans.values() for link in span.links)
