"""One sink's consumer over memory: what it acks, kills, counts and leaves alone."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from penstock.adapters.memory import MemoryQueue, MemorySink
from penstock.channels.predictions import CHANNEL, PredictionsMessage, predictions_of
from penstock.domain.errors import StoreUnavailable, Unavailable
from penstock.domain.predictions import Prediction
from penstock.packing import Packed, pack_columns
from penstock.ports import Delivery, Write
from results_writer.sink import BatchLimits
from results_writer.triage import triage

from tests.factories import NOON, make_prediction
from tests.fixtures.waiting import until
from tests.unit.results_writer.running import Rig, pack_of


def make_pack(pack_id: str, count: int, *, bad: Sequence[int] = ()) -> list[Prediction]:
    return [
        make_prediction(asset=f"{pack_id}-{n}", pack_id=pack_id, revision=-1 if n in bad else 1)
        for n in range(count)
    ]


def refuse_invalid(predictions: Sequence[Prediction]) -> dict[int, str]:
    return dict(triage(predictions).failed)


async def test_packs_are_written_acked_and_entered_in_the_ledger() -> None:
    rig = Rig(MemorySink())
    await rig.send(make_pack("a", 3), make_pack("b", 2))
    async with rig.running():
        await rig.drained()
    assert len(rig.sink.rows) == 5
    assert await rig.counts("a") == {"aurora": {"written": 3, "superseded": 0, "dead": 0}}
    assert await rig.counts("b") == {"aurora": {"written": 2, "superseded": 0, "dead": 0}}


async def test_nothing_is_acked_before_the_write_has_returned() -> None:
    written = asyncio.Event()
    rig = Rig(MemorySink(lambda _: written.set()))
    await rig.send(make_pack("a", 3))
    ledger_may_go_on = asyncio.Event()
    seen: list[int] = []

    def on_write(write: Write) -> None:
        seen.append(len(rig.queue.bodies))

    rig.tables.on_write = on_write
    ledger_may_go_on.set()
    async with rig.running():
        await rig.drained()
    assert written.is_set()
    assert seen == [1], "the message was still there when the ledger was written"


async def test_a_pack_delivered_twice_counts_once() -> None:
    rig = Rig(MemorySink())
    await rig.send(make_pack("a", 3), make_pack("a", 3))
    async with rig.running():
        await rig.drained()
    await rig.send(make_pack("a", 3))
    rig.stop = type(rig.stop)()
    async with rig.running():
        await rig.drained()
    assert await rig.counts("a") == {"aurora": {"written": 3, "superseded": 0, "dead": 0}}


async def test_superseded_predictions_are_told_per_pack() -> None:
    rig = Rig(MemorySink())
    new = [replace(p, revision=2) for p in make_pack("new", 2)]
    old = [replace(p, pack_id=make_pack("old", 1)[0].pack_id, revision=1) for p in new]
    await rig.send(new, old)
    async with rig.running():
        await rig.drained()
    assert await rig.counts("old") == {"aurora": {"written": 0, "superseded": 2, "dead": 0}}
    assert await rig.counts("new") == {"aurora": {"written": 2, "superseded": 0, "dead": 0}}


async def test_one_bad_prediction_dies_alone_and_can_be_sent_again() -> None:
    rig = Rig(MemorySink(refuse_invalid))
    await rig.send(make_pack("a", 10, bad=[4]))
    async with rig.running():
        await rig.drained()
    assert len(rig.sink.rows) == 9
    ((body, reason),) = rig.dead.letters
    assert "negative" in reason
    (alone,) = predictions_of(CHANNEL.decode(body))
    assert alone.asset == "a-4"
    assert CHANNEL.decode(body).id == "a.4"
    assert await rig.counts("a") == {"aurora": {"written": 9, "superseded": 0, "dead": 1}}


async def test_bytes_that_are_no_pack_die_and_others_do_not() -> None:
    rig = Rig(MemorySink())
    torn = PredictionsMessage(
        version=1, id="torn", created_at=NOON, kind="predictions",
        data=pack_columns({"origins": [], "origin": [3]}),
    )  # fmt: skip
    unknown = PredictionsMessage(version=1, id="x", created_at=NOON, kind="new", data=Packed())
    bodies = ["not json", CHANNEL.encode(torn), CHANNEL.encode(unknown), pack_of(make_pack("a", 1))]
    await rig.queue.publish(bodies)
    async with rig.running():
        await rig.drained()
    assert (
        sorted(reason.split(":")[0] for _, reason in rig.queue.dead_letters)
        == ["MalformedPayload"] * 3
    )
    assert len(rig.sink.rows) == 1


async def test_while_the_place_is_down_messages_stay_in_the_queue() -> None:
    rig = Rig(MemorySink())
    rig.sink.is_down = StoreUnavailable("gone")
    await rig.send(make_pack("a", 1), make_pack("b", 1))
    async with rig.running() as consumer:
        await until(lambda: consumer.state == "waiting")
        with pytest.raises(Unavailable):
            await consumer.check()
        assert len(rig.queue.bodies) == 2
        rig.sink.is_down = None
        await rig.drained()
        assert consumer.state == "running"
        await consumer.check()
    assert len(rig.sink.rows) == 2


async def test_without_its_ledger_a_sink_waits_too() -> None:
    rig = Rig(MemorySink())
    down = [True]

    def on_write(_write: Write) -> None:
        if down[0]:
            raise StoreUnavailable("no tables")

    rig.tables.on_write = on_write
    await rig.send(make_pack("a", 1))
    async with rig.running() as consumer:
        await until(lambda: consumer.state == "waiting")
        down[0] = False
        await rig.drained()
    assert await rig.counts("a") == {"aurora": {"written": 1, "superseded": 0, "dead": 0}}


async def test_a_queue_that_dies_as_a_whole_is_stopped_not_emptied() -> None:
    rig = Rig(MemorySink(refuse_invalid))
    packs = [make_pack(f"p{n}", 60, bad=range(60)) for n in range(5)]
    await rig.send(*packs)
    async with rig.running() as consumer:
        await until(lambda: consumer.state == "stopped")
        with pytest.raises(Unavailable, match="find out why"):
            await consumer.check()
    assert len(rig.dead.letters) < 100
    assert rig.queue.bodies


async def test_messages_of_a_version_to_come_do_not_empty_the_queue_either() -> None:
    rig = Rig(MemorySink())
    newer = pack_of(make_pack("a", 1)).replace('"version":1', '"version":2')
    await rig.queue.publish([newer] * 300)
    async with rig.running() as consumer:
        await until(lambda: consumer.state == "stopped")
    assert len(rig.queue.dead_letters) < 150
    assert len(rig.queue.bodies) >= 150


async def test_a_stopped_queue_goes_on_when_somebody_says_so() -> None:
    sink = MemorySink(refuse_invalid)
    rig = Rig(sink)
    await rig.send(make_pack("a", 100, bad=range(50)))
    async with rig.running() as consumer:
        await until(lambda: consumer.state == "stopped")
        rig.queue = MemoryQueue()
        consumer.retry()
        await until(lambda: consumer.state != "stopped")


async def test_a_batch_is_written_when_enough_packs_wait_whatever_their_size() -> None:
    sizes: list[int] = []
    rig = Rig(
        MemorySink(lambda predictions: sizes.append(len(predictions))),
        BatchLimits(max_bytes=1 << 20, max_age_seconds=20, max_packs=4),
    )
    await rig.send(*(make_pack(f"p{n}", 1) for n in range(8)))
    async with rig.running():
        await rig.drained()
    assert sizes == [4, 4]


class WatchedQueue(MemoryQueue):
    """Counts what was received of it."""

    received = 0

    async def receive(self, *, at_most: int, wait_seconds: float) -> Sequence[Delivery]:
        deliveries = await super().receive(at_most=at_most, wait_seconds=wait_seconds)
        self.received += len(deliveries)
        return deliveries


async def test_on_stop_what_is_gathered_is_written_at_once() -> None:
    queue = WatchedQueue("aurora")
    rig = Rig(MemorySink(), BatchLimits(max_age_seconds=300), queue=queue)
    await rig.send(make_pack("a", 1))
    async with rig.running():
        await until(lambda: queue.received == 1)
        assert queue.bodies
    assert not rig.queue.bodies
    assert len(rig.sink.rows) == 1


async def test_a_dead_letter_that_cannot_be_kept_keeps_its_pack_in_the_queue() -> None:
    rig = Rig(MemorySink(refuse_invalid))
    kept = rig.dead.dead_letter
    failures = iter([True])

    async def fail_once(body: str, *, reason: str) -> None:
        if next(failures, False):
            raise StoreUnavailable("no queue")
        await kept(body, reason=reason)

    rig.dead.dead_letter = fail_once  # type: ignore[method-assign]
    await rig.send(make_pack("a", 10, bad=[4]))
    async with rig.running():
        await rig.drained()
    assert len(rig.dead.letters) == 1
    assert await rig.counts("a") == {"aurora": {"written": 9, "superseded": 0, "dead": 1}}
