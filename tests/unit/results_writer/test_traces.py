"""One trace from a pack of predictions into its sink."""

from penstock.adapters.memory import MemorySink
from penstock.domain.errors import StoreUnavailable
from penstock.domain.ids import PackId
from penstock.runtime.traceparent import new_traceparent, trace_id_of
from results_writer.sink import BatchLimits

from tests.factories import make_prediction
from tests.fixtures.waiting import until
from tests.spans import by_name, linked_traces, parent_of, recording, trace_id
from tests.unit.results_writer.running import Rig, pack_of


async def test_packs_that_are_written_together_name_each_other() -> None:
    tracing, spans = recording(ratio=0.0)
    rig = Rig(MemorySink(), BatchLimits(max_age_seconds=5, max_packs=3), tracing=tracing)
    traces = [new_traceparent(is_sampled=n != 1) for n in range(3)]
    packs = [[make_prediction(asset=f"P-{n}", pack_id=PackId(f"p{n}"))] for n in range(3)]
    await rig.queue.publish([pack_of(pack, trace=t) for pack, t in zip(packs, traces, strict=True)])
    async with rig.running():
        await rig.drained()
    everything = spans.get_finished_spans()
    writing = by_name(spans)["write aurora"]
    deliveries = {trace_id(span): span for span in everything if span.name == "process aurora"}
    recorded = {trace_id_of(traces[0]), trace_id_of(traces[2])}
    assert set(deliveries) == recorded
    first = deliveries.pop(trace_id(writing))
    assert parent_of(writing, everything) is first
    assert linked_traces(writing) == set(deliveries)
    (other,) = deliveries.values()
    assert linked_traces(other) == {trace_id(writing)}
    assert writing.attributes == {"penstock.packs": 3, "penstock.rows": 3, "penstock.traces": 2}


async def test_a_sink_that_is_down_fails_the_write_and_the_delivery() -> None:
    def refuse(_rows: object) -> None:
        rig.stop.set()
        raise StoreUnavailable("no connection")

    tracing, spans = recording()
    rig = Rig(MemorySink(on_write=refuse), tracing=tracing)
    trace = new_traceparent(is_sampled=True)
    await rig.queue.publish([pack_of([make_prediction()], trace=trace)])
    async with rig.running():
        await until(lambda: "process aurora" in by_name(spans))
    found = by_name(spans)
    assert found["write aurora"].status.description == "StoreUnavailable: no connection"
    assert found["process aurora"].status.description == "StoreUnavailable: no connection"
