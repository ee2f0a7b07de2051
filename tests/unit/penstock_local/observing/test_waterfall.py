from hypothesis import given
from hypothesis import strategies as st
from penstock_local.observing.records import SpanRecord, Trace
from penstock_local.observing.waterfall import rows_of, ticks_of, time_label

from tests.unit.penstock_local.observing.spans import make_span


def trace_of(*spans: SpanRecord) -> Trace:
    return Trace("t", {span.span_id: span for span in spans})


def test_parts_stand_below_their_whole_in_order_of_time() -> None:
    rows = rows_of(
        trace_of(
            make_span("late", parent="door", start_ms=60, end_ms=100),
            make_span("door", end_ms=50),
            make_span("early", parent="door", start_ms=10, end_ms=20),
            make_span("inner", parent="early", start_ms=12, end_ms=14),
        )
    )
    assert [(row.span.span_id, row.depth) for row in rows] == [
        ("door", 0), ("early", 1), ("inner", 2), ("late", 1),
    ]  # fmt: skip
    assert [(row.left, row.width) for row in rows] == [(0, 50), (10, 10), (12, 2), (60, 40)]


def test_the_time_in_a_queue_is_told_of_who_took_the_message() -> None:
    sent = make_span("sent", end_ms=10)
    taken = make_span("taken", parent="sent", kind="consumer", start_ms=75, end_ms=80)
    part = make_span("part", parent="sent", start_ms=75, end_ms=80)
    waits = {row.span.span_id: row.waited_ms for row in rows_of(trace_of(sent, taken, part))}
    assert waits == {"sent": 0, "taken": 65, "part": 0}


def test_a_span_whose_whole_never_came_stands_at_the_top() -> None:
    rows = rows_of(trace_of(make_span("a", parent="lost"), make_span("b", start_ms=1)))
    assert [(row.span.span_id, row.depth) for row in rows] == [("a", 0), ("b", 0)]


def test_ten_thousand_spans_deep_is_no_trouble() -> None:
    spans = [make_span(str(n), parent=str(n - 1)) for n in range(10_000)]
    assert rows_of(trace_of(*spans))[-1].depth == 9_999


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 50), st.integers(-5, 50)), min_size=1))
def test_every_span_is_shown_once_whatever_they_say_of_each_other(
    told: list[tuple[int, int, int]],
) -> None:
    spans = [
        make_span(str(n), parent=str(parent), start_ms=start, end_ms=start + took)
        for n, (parent, start, took) in enumerate(told)
    ]
    rows = rows_of(trace_of(*spans))
    assert sorted(row.span.span_id for row in rows) == sorted(span.span_id for span in spans)
    assert all(row.left >= 0 and row.width >= 0 for row in rows)


def test_the_axis_has_few_round_times() -> None:
    assert [tick.label for tick in ticks_of(trace_of(make_span(end_ms=230)))] == [
        "0 ms", "50 ms", "100 ms", "150 ms", "200 ms",
    ]  # fmt: skip
    for ms in (0, 0.0004, 3, 99, 8_000, 3_600_000):
        assert 1 <= len(ticks_of(trace_of(make_span(end_ms=ms)))) <= 9
    assert time_label(1_500) == "1.5 s"
    assert time_label(90_000) == "1.5 min"
