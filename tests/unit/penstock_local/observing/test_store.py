from penstock_local.observing.store import Bounds, TraceStore, Wanted

from tests.unit.penstock_local.observing.spans import make_span


def filled(*spans: object, bounds: Bounds | None = None) -> TraceStore:
    store = TraceStore(bounds)
    store.add(spans)  # type: ignore[arg-type]  # every test gives spans
    return store


def test_a_span_that_comes_twice_is_kept_once() -> None:
    store = filled(make_span("a"), make_span("a", end_ms=20))
    assert store.spans == 1
    assert store.recent(Wanted())[0].duration_ms == 20


def test_the_trace_that_was_longest_without_news_goes_first() -> None:
    store = filled(
        make_span(trace="t1"), make_span(trace="t2"), make_span("b", trace="t1"),
        make_span(trace="t3"), bounds=Bounds(traces=2),
    )  # fmt: skip
    assert {trace.trace_id for trace in store.recent(Wanted())} == {"t1", "t3"}
    assert store.spans == 3


def test_spans_are_bounded_over_all_traces_and_in_each() -> None:
    spans = [make_span(str(n), trace=f"t{n // 10}") for n in range(1_000)]
    store = filled(*spans, bounds=Bounds(spans=95))
    assert store.spans <= 95
    one = filled(*(make_span(str(n)) for n in range(30)), bounds=Bounds(spans_of_one=20))
    (trace,) = one.recent(Wanted())
    assert (len(trace.spans), trace.left_out) == (20, 10)


def test_a_trace_is_found_by_its_id_its_beginning_or_what_it_says() -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    store = filled(make_span(attributes={"penstock.request_id": "01kafz"}), make_span(trace="t2"))
    for text in (trace_id, trace_id.upper(), trace_id[:8], "01kafz", " 01kafz "):
        found = store.find(text)
        assert found is not None
        assert found.trace_id == trace_id
    assert store.find("4bf9") is None, "too short to be a beginning"
    assert store.find("") is None


def test_the_list_shows_what_is_wanted_newest_first() -> None:
    store = filled(
        make_span(trace="t1", start_ms=0, end_ms=5),
        make_span(trace="t2", start_ms=10, end_ms=500, service="console", name="PUT /v1/assets"),
        make_span(trace="t3", start_ms=20, end_ms=30, error="no connection"),
    )

    def ids(wanted: Wanted) -> list[str]:
        return [trace.trace_id for trace in store.recent(wanted)]

    assert ids(Wanted()) == ["t3", "t2", "t1"]
    assert ids(Wanted(service="console")) == ids(Wanted(text="put /v1")) == ["t2"]
    assert ids(Wanted(failed=True)) == ["t3"]
    assert ids(Wanted(at_least_ms=100)) == ["t2"]
    assert len(store.recent(Wanted(), most=2)) == 2


def test_traces_that_share_work_are_found_from_both_sides() -> None:
    store = filled(make_span(trace="t1", links=("t2",)), make_span(trace="t2"))
    (one,) = [trace for trace in store.recent(Wanted()) if trace.trace_id == "t1"]
    assert list(one.links()) == ["t2"]
    assert store.linking_to("t2") == ["t1"]


def test_a_training_is_called_after_its_job() -> None:
    store = filled(
        make_span(name="process slices", attributes={"penstock.job_id": "job-7"}),
        make_span("b", name="step CreateModel", start_ms=5),
    )
    (trace,) = store.recent(Wanted())
    assert trace.title == "training job-7"
