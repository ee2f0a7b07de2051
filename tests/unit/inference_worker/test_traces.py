"""One trace from a pack of readings through the endpoint to the pack of predictions."""

from penstock.channels.predictions import CHANNEL as PREDICTIONS
from penstock.runtime.traceparent import trace_id_of

from tests.spans import by_name, parent_of, trace_id
from tests.unit.inference_worker.plants import binding
from tests.unit.inference_worker.worlds import World, scan, until


async def test_frames_the_endpoint_and_the_publishing_are_parts_of_the_delivery() -> None:
    world = World(binding())
    await world.register()
    async with world.worker():
        message = await world.send(*scan(0, 70, 30))
        await until(lambda: not world.inference.bodies)
    found, everything = by_name(world.spans), world.spans.get_finished_spans()
    delivery = found["process inference"]
    parts = [found[name] for name in ("make frames", "ask pump-failure", "publish predictions")]
    assert {trace_id(span) for span in everything} == {trace_id_of(message.trace)}
    assert [parent_of(part, everything) for part in parts] == [delivery] * 3
    frames, asking, publishing = (dict(part.attributes or {}) for part in parts)
    assert (frames["penstock.readings"], frames["penstock.frames"]) == (2, 1)
    assert (asking["penstock.rows"], asking["penstock.variant"]) == (1, "v1")
    (body,) = world.topic.published
    assert publishing["penstock.pack_id"] == PREDICTIONS.decode(body).id
    (prediction,) = world.predictions
    assert prediction.trace_id == trace_id(delivery)
    assert trace_id_of(PREDICTIONS.decode(body).trace) == trace_id(delivery)
    assert all((span.start_time or 0) < (span.end_time or 0) for span in everything)
