"""The pages: what is there to see, and nothing that a span's name could do to them."""

import re

from penstock_local.observing.pages import Pages
from penstock_local.observing.records import Trace
from penstock_local.observing.series import Series
from penstock_local.observing.store import TraceStore, Wanted

from tests.unit.penstock_local.observing.spans import make_span

HOSTILE = "<script>alert(1)</script>\"'&{{ 7 * 7 }}"


def test_a_trace_shows_its_spans_waits_errors_and_who_shared_them() -> None:
    spans = [
        make_span("a", end_ms=10, attributes={"penstock.accepted": "5"}),
        make_span("b", parent="a", kind="consumer", start_ms=50, end_ms=90, links=("t9",),
                  name="process inference", service="inference-worker", error="no answer"),
    ]  # fmt: skip
    page = Pages().trace(Trace("t1", {span.span_id: span for span in spans}), ["t8"])
    for told in (
        "process inference", "no answer", "penstock.accepted", "waited in the queue", "40 ms",
        "/traces/t9", "/traces/t8", "1 failed",
    ):  # fmt: skip
        assert told in page
    assert len(re.findall("<details", page)) == 2


def test_names_from_outside_are_text_on_every_page() -> None:
    span = make_span(name=HOSTILE, service=HOSTILE, error=HOSTILE, attributes={HOSTILE: HOSTILE})
    store = TraceStore()
    store.add([span])
    pages = Pages()
    series = Series()
    series.add('penstock_keys_refused_total{gateway="<script>"} 1.0\n', at=0)
    shown = [
        pages.traces(store, Wanted(text=HOSTILE), refresh=True),
        pages.traces(store, Wanted(), refresh=False),
        pages.trace(store.recent(Wanted())[0], []),
        pages.services({HOSTILE: series}, now=0),
        pages.not_found(HOSTILE),
    ]
    for page in shown:
        assert "<script" not in page
        assert "49" not in re.sub(r"#[0-9a-f]{6}", "", page.split("<main>")[1].split("took")[0])


def test_nothing_is_fetched_from_elsewhere() -> None:
    pages = Pages()
    for page in (pages.traces(TraceStore(), Wanted(), refresh=True), pages.not_found("x")):
        assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?(https?:)?//", page)
        assert "<script" not in page
