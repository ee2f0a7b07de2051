"""Corrections: what the archive makes of a range, and when."""

from collections.abc import Sequence

import pytest
from inference_worker.archived_packs import ArchivedPacks
from inference_worker.bulkhead import Lane
from inference_worker.context import Snapshot, models_of
from inference_worker.corrections import CorrectionLimits, CorrectionsHandler
from inference_worker.deferring import Redriven
from inference_worker.settle import FrameEnd
from inference_worker.state import AssetState
from inference_worker.state_store import StateStore
from penstock.adapters.memory import MemoryDelivery, MemoryQueue
from penstock.channels.corrections import CHANNEL, VERSION, CorrectionMessage
from penstock.channels.deferred import FrameRow
from penstock.domain.assets import Binding, Trigger
from penstock.domain.errors import InvalidInput, NotYet
from penstock.domain.frames import Aggregate, Feature
from penstock.domain.ids import sortable_id
from penstock.domain.predictions import PredictionFlag
from penstock.domain.readings import Reading
from penstock.domain.samples import TagSamples
from penstock.domain.time import DAY, HOUR, MINUTE, SECOND, Micros
from penstock.runtime.telemetry import Metrics

from tests.factories import NOON, make_reading
from tests.unit.inference_worker.plants import PUMP, binding, last, row, sample
from tests.unit.inference_worker.worlds import World, version

NEVER_ARCHIVED = sortable_id(Micros(NOON), bytes(10))


class Desk:
    """A corrections handler over an archive that the test fills."""

    def __init__(self, bound: Binding, limits: CorrectionLimits | None = None) -> None:
        self.world = World(bound)
        self.again = MemoryQueue("corrections")
        self.rows: list[FrameRow] = []
        self.states = StateStore(self.world.tables)
        models = models_of([version()], {"pump-failure": "v1"})
        snapshot = Snapshot(self.world.context.context, models)
        self.handler = CorrectionsHandler(
            archive=self.world.archive,
            states=self.states,
            archived=ArchivedPacks(self.world.ledger, self.world.clock),
            settle=self._settle,
            snapshot=lambda: snapshot,
            again=self.again,
            clock=self.world.clock,
            metrics=Metrics("test"),
            limits=limits,
        )

    async def _settle(
        self, rows: Sequence[FrameRow], *, lane: Lane = "live", redriven: Redriven | None = None
    ) -> list[FrameEnd]:
        assert lane == "bulk"
        self.rows += rows
        return ["predicted"] * len(rows)

    async def archived(self, *readings: Reading) -> str:
        message = self.world.pack(*readings)
        await self.world.archive_pack(message)
        return message.id

    async def correct(
        self,
        since: int,
        until: int,
        packs: list[str] | None = None,
        *,
        revision: int = 7,
        run: str = "live",
    ) -> list[tuple[int, list[float | None]]]:
        message = CorrectionMessage(
            version=VERSION, id="c1", created_at=Micros(NOON), asset="P-101", since=Micros(since),
            until=Micros(until), packs=packs or [], reason="test", revision=revision, run=run,
        )  # fmt: skip
        queue = MemoryQueue("corrections")
        await queue.publish([CHANNEL.encode(message)])
        (delivery,) = await queue.receive(at_most=1, wait_seconds=0)
        self.rows.clear()
        await self.handler.handle(delivery)
        return [(row.event_time, row.features) for row in self.rows]

    async def rest(self) -> list[CorrectionMessage]:
        deliveries = await self.again.receive(at_most=10, wait_seconds=0)
        for delivery in deliveries:
            assert isinstance(delivery, MemoryDelivery)
            await delivery.ack()
        return [CHANNEL.decode(delivery.body) for delivery in deliveries]


def temp(second: float, value: float) -> Reading:
    return make_reading(at=NOON + round(second * SECOND), value=value)


async def test_every_event_time_of_the_range_is_made_again_with_the_revision_of_its_cause() -> None:
    desk = Desk(binding(row(*last("TEMP"))))
    await desk.archived(temp(0, 1), temp(1, 2), temp(2, 3))
    await desk.states.write(PUMP.name, AssetState(), AssetState(version=99))
    assert await desk.correct(NOON + SECOND, NOON + 2 * SECOND) == [
        (NOON + SECOND, [2.0]),
        (NOON + 2 * SECOND, [3.0]),
    ]
    assert {row.revision for row in desk.rows} == {7}, "not 99: that knew more than this"
    assert {row.flags for row in desk.rows} == {PredictionFlag.LATE}


async def test_without_a_revision_the_version_of_the_state_counts() -> None:
    desk = Desk(binding(row(*last("TEMP"))))
    await desk.archived(temp(0, 1))
    await desk.states.write(PUMP.name, AssetState(), AssetState(version=99))
    await desk.correct(NOON, NOON, revision=0)
    assert [row.revision for row in desk.rows] == [99]


async def test_a_replay_writes_its_own_run_and_is_not_late() -> None:
    desk = Desk(binding(row(*last("TEMP"))))
    await desk.archived(temp(0, 1))
    await desk.correct(NOON, NOON, run="replay:r1")
    assert [(row.run, row.flags) for row in desk.rows] == [("replay:r1", 0)]


async def test_nothing_is_made_before_the_archive_has_every_pack() -> None:
    desk = Desk(binding(row(*last("TEMP"))))
    there = await desk.archived(temp(0, 1))
    with pytest.raises(NotYet) as told:
        await desk.correct(NOON, NOON, [there, NEVER_ARCHIVED])
    assert told.value.retry_after_seconds == 1.0
    assert desk.rows == []
    assert await desk.correct(NOON, NOON, [there]) == [(NOON, [1.0])]


async def test_a_pack_that_never_comes_to_the_archive_is_told_to_people_in_the_end() -> None:
    desk = Desk(binding(row(*last("TEMP"))), CorrectionLimits(longest_wait=HOUR))
    desk.world.clock.advance(seconds=3_601)
    with pytest.raises(InvalidInput, match="never came"):
        await desk.correct(NOON, NOON, [NEVER_ARCHIVED])


async def test_a_frame_reads_as_far_back_as_it_needs() -> None:
    frame = row(*last("TEMP", "VIBRATION"), max_staleness=Micros(5 * HOUR))
    desk = Desk(binding(frame, trigger=Trigger(on=("TEMP",))))
    old = make_reading(tag="/SITE01/P-101/VIBRATION", at=NOON - 4 * HOUR, value=9)
    await desk.archived(old, temp(0, 1))
    assert await desk.correct(NOON, NOON) == [(NOON, [1.0, 9.0])]


async def test_a_window_looks_further_and_further_back_for_its_samples() -> None:
    age = Feature("age", "VIBRATION", Aggregate.AGE)
    desk = Desk(binding(row(age, *last("TEMP")), trigger=Trigger(on=("TEMP",))))
    old = make_reading(tag="/SITE01/P-101/VIBRATION", at=NOON - 20 * HOUR, value=9)
    await desk.archived(old, temp(0, 1))
    assert await desk.correct(NOON, NOON) == [(NOON, [20 * 3600.0, 1.0])]


async def test_what_the_state_still_holds_needs_no_archive() -> None:
    age = Feature("age", "VIBRATION", Aggregate.AGE)
    desk = Desk(binding(row(age, *last("TEMP")), trigger=Trigger(on=("TEMP",))))
    await desk.archived(temp(0, 1))
    held = TagSamples((sample(NOON - 30 * DAY, 9),))
    state = AssetState({"VIBRATION": held}, Micros(NOON), (), 1)
    await desk.states.write(PUMP.name, AssetState(), state)
    assert await desk.correct(NOON, NOON) == [(NOON, [30 * 86_400.0, 1.0])]


async def test_a_long_range_is_corrected_one_unit_per_message() -> None:
    desk = Desk(binding(row(*last("TEMP"))), CorrectionLimits(unit=MINUTE))
    await desk.archived(*(temp(second, second) for second in range(0, 180, 30)))
    until = NOON + 170 * SECOND
    told = await desk.correct(NOON, until)
    seen = [at for at, _ in told]
    while rest := await desk.rest():
        (message,) = rest
        assert message.until == until
        seen += [at for at, _ in await desk.correct(message.since, message.until)]
    assert seen == [NOON + second * SECOND for second in range(0, 180, 30)]


async def test_a_clock_is_owed_the_ticks_between_the_range_and_its_neighbours() -> None:
    desk = Desk(binding(row(*last("TEMP")), trigger=Trigger(every=Micros(10 * SECOND))))
    await desk.archived(temp(1, 1), temp(33, 3), temp(61, 6))
    told = await desk.correct(NOON + 33 * SECOND, NOON + 33 * SECOND)
    assert [(at - NOON) // SECOND for at, _ in told] == [10, 20, 30, 40, 50, 60]


async def test_an_asset_that_nobody_asks_about_any_more_is_done() -> None:
    desk = Desk(binding(row(*last("TEMP")), name="other"))
    message = CorrectionMessage(
        version=VERSION, id="c1", created_at=Micros(NOON), asset="gone", since=Micros(NOON),
        until=Micros(NOON), packs=[], reason="test",
    )  # fmt: skip
    queue = MemoryQueue("corrections")
    await queue.publish([CHANNEL.encode(message)])
    (delivery,) = await queue.receive(at_most=1, wait_seconds=0)
    await desk.handler.handle(delivery)
    assert desk.rows == []
