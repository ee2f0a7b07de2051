"""What is recorded, under which trace, and what is handed on where nothing is."""

from typing import Any

import msgspec
import pytest
import structlog
from penstock.adapters.memory import MemoryQueue
from penstock.channel import Envelope
from penstock.domain.errors import InvalidInput, NotYet
from penstock.domain.time import Micros
from penstock.ports import Delivery
from penstock.runtime.consumer import Consumer
from penstock.runtime.lifecycle import Stop
from penstock.runtime.telemetry import Metrics
from penstock.runtime.traceparent import (
    is_sampled,
    new_traceparent,
    read_traceparent,
    trace_id_of,
    traceparent_in,
)
from penstock.runtime.tracing import MOST_LINKS, NO_TRACING, UNTRACED, Tracing, current_span

from tests.spans import by_name, linked_traces, parent_of, recording, trace_id

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"


@pytest.mark.parametrize(
    ("header", "read"),
    [
        (SAMPLED, SAMPLED),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-brings", SAMPLED),
        (f"00-{TRACE}-{SPAN}-01-too-much", ""),
        (f"ff-{TRACE}-{SPAN}-01", ""),
        (f"00-{'0' * 32}-{SPAN}-01", ""),
        (f"00-{TRACE}-{'0' * 16}-01", ""),
        (SAMPLED.upper(), ""),
        (f"{SAMPLED}\n", ""),
        ("", ""),
    ],
)
def test_a_header_is_believed_only_where_it_is_valid(header: str, read: str) -> None:
    assert read_traceparent(header) == read


def test_a_new_trace_says_whether_it_is_recorded() -> None:
    assert not is_sampled(new_traceparent())
    assert is_sampled(trace := new_traceparent(is_sampled=True))
    assert trace_id_of(trace)


def test_the_trace_of_a_message_is_read_off_its_beginning() -> None:
    body = f'{{"version":1,"id":"x","trace":"{SAMPLED}","rows":[]}}'
    assert traceparent_in(body) == SAMPLED
    assert traceparent_in(f'{{"note":"{"x" * 600}","trace":"{SAMPLED}"}}') == ""


def test_without_a_tracer_nothing_is_recorded_and_the_trace_goes_on() -> None:
    with NO_TRACING.span("anything", SAMPLED) as span:
        assert not span.is_recorded
        assert span.child("a part") is span
        assert span.traceparent == SAMPLED
        assert current_span() is UNTRACED
    assert NO_TRACING.shared_span("a batch", ["", SAMPLED]).trace == SAMPLED
    assert UNTRACED.traceparent != UNTRACED.traceparent


def test_the_parent_decides_whatever_the_ratio_says() -> None:
    never, spans = recording(ratio=0.0)
    with never.span("asked for", SAMPLED) as span:
        assert trace_id_of(span.traceparent) == TRACE
    (one,) = spans.get_finished_spans()
    assert one.parent is not None
    assert (trace_id(one), f"{one.parent.span_id:016x}") == (TRACE, SPAN)
    always, nothing = recording(ratio=1.0)
    with always.span("not wanted", UNSAMPLED) as unrecorded:
        assert unrecorded.traceparent == UNSAMPLED
    assert nothing.get_finished_spans() == ()


def test_traces_that_begin_here_are_recorded_by_the_ratio() -> None:
    tracing, spans = recording(ratio=0.25)
    for _ in range(2_000):
        tracing.span("a request").end()
    assert 400 < len(spans.get_finished_spans()) < 600


def test_a_batch_goes_on_with_one_trace_and_links_to_the_others() -> None:
    tracing, spans = recording()
    others = [new_traceparent(is_sampled=True) for _ in range(MOST_LINKS + 8)]
    unwanted = UNSAMPLED.replace("4b", "aa")
    tracing.shared_span("a batch", ["", unwanted, SAMPLED, SAMPLED, *others]).end()
    (batch,) = spans.get_finished_spans()
    assert trace_id(batch) == TRACE
    assert linked_traces(batch) == {trace_id_of(trace) for trace in others[:MOST_LINKS]}
    assert (batch.attributes or {})["penstock.traces"] == len(others) + 1


def test_a_batch_of_nothing_that_is_recorded_is_not_recorded() -> None:
    tracing, spans = recording()
    assert tracing.shared_span("a batch", ["", UNSAMPLED]).trace == UNSAMPLED
    assert not tracing.shared_span("a batch", []).is_recorded
    assert spans.get_finished_spans() == ()


def test_an_error_marks_its_span_and_goes_on() -> None:
    tracing, spans = recording()
    with pytest.raises(InvalidInput), tracing.span("a try"):
        raise InvalidInput("no such tag")
    (failed,) = spans.get_finished_spans()
    assert (failed.status.is_ok, failed.status.description) == (False, "InvalidInput: no such tag")


def test_a_link_to_a_span_that_has_ended_is_left_out() -> None:
    tracing, spans = recording()
    gone, batch = tracing.span("gave up"), tracing.span("a batch")
    gone.end()
    gone.link(batch)
    batch.end()
    assert by_name(spans)["gave up"].links == ()


class _Consumed:
    """One message through a consumer that ends after it."""

    def __init__(self, tracing: Tracing) -> None:
        self.queue = MemoryQueue("inference")
        self.stop = Stop()
        self.logged: list[dict[str, Any]] = []
        self._tracing = tracing

    async def message(self, trace: str, *, error: Exception | None = None) -> None:
        async def handle(_delivery: Delivery) -> None:
            self.logged.append(dict(structlog.contextvars.get_contextvars()))
            current_span().child("a part").end()
            self.stop.set()
            if error is not None:
                raise error

        envelope = Envelope(version=1, id="m1", created_at=Micros(1), trace=trace)
        await self.queue.publish([msgspec.json.encode(envelope).decode()])
        consumer = Consumer(
            self.queue, handle, queue="inference", stop=self.stop, metrics=Metrics("test"),
            wait_seconds=0.02, drain_seconds=1, tracing=self._tracing,
        )  # fmt: skip
        await consumer.run()


async def test_a_delivery_continues_the_trace_of_its_message() -> None:
    tracing, spans = recording(ratio=0.0)
    consumed = _Consumed(tracing)
    await consumed.message(SAMPLED)
    found = by_name(spans)
    delivery, part = found["process inference"], found["a part"]
    assert trace_id(delivery) == TRACE
    assert parent_of(part, [delivery]) is delivery
    assert (delivery.attributes or {})["penstock.outcome"] == "acked"
    assert delivery.status.is_ok
    assert consumed.logged[0]["trace_id"] == TRACE


async def test_a_delivery_that_fails_says_so_in_its_span() -> None:
    tracing, spans = recording()
    await _Consumed(tracing).message(SAMPLED, error=InvalidInput("not a pack"))
    delivery = by_name(spans)["process inference"]
    assert (delivery.attributes or {})["penstock.outcome"] == "dead_lettered"
    assert not delivery.status.is_ok
    assert "not a pack" in str(delivery.status.description)


async def test_a_delivery_that_only_waits_has_not_failed() -> None:
    tracing, spans = recording()
    await _Consumed(tracing).message(SAMPLED, error=NotYet("its time has not come"))
    delivery = by_name(spans)["process inference"]
    assert (delivery.attributes or {})["penstock.outcome"] == "retried"
    assert delivery.status.is_ok


async def test_log_lines_of_a_delivery_name_its_trace_though_nobody_records_it() -> None:
    consumed = _Consumed(NO_TRACING)
    await consumed.message(UNSAMPLED)
    assert consumed.logged[0]["trace_id"] == TRACE
