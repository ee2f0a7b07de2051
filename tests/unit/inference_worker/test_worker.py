"""A whole worker in memory: what happened one night, and what everybody saw afterwards."""

import asyncio
from dataclasses import replace

import pytest
from penstock.channel import CANARY, Envelope
from penstock.channels.readings import CHANNEL as READINGS
from penstock.channels.readings import rejects_message
from penstock.domain.assets import BindingState
from penstock.domain.errors import EndpointUnavailable, StoreUnavailable
from penstock.domain.ids import AssetName, GatewayId, TagPath
from penstock.domain.predictions import PredictionFlag
from penstock.domain.readings import Quality, Reject
from penstock.domain.readings import Sequence as SequenceReading
from penstock.domain.time import HOUR, SECOND, Micros

from tests.factories import NOON, make_reading
from tests.unit.inference_worker.plants import PUMP, binding, last, row
from tests.unit.inference_worker.worlds import (
    StubbornHost,
    World,
    knows_version,
    scan,
    score,
    until,
    version,
)


async def test_a_scan_becomes_one_prediction() -> None:
    world = World(binding())
    await world.register()
    async with world.worker():
        message = await world.send(*scan(0, 70, 30))
        await until(lambda: not world.inference.bodies)
    (prediction,) = world.predictions
    assert (prediction.binding, prediction.asset) == ("pump-failure", "P-101")
    assert (prediction.event_time, prediction.revision) == (NOON, 1)
    assert (prediction.features, prediction.probability) == ((70, 30), 0.5)
    assert (prediction.model_version, prediction.variant) == ("v1", "v1")
    assert prediction.received_at == NOON + 50_000
    assert prediction.trace_id in message.trace
    counts = await world.counts(message)
    assert {name: count for name, count in counts.items() if count} == {
        "accepted": 2,
        "framed": 2,
        "frames_predicted": 1,
    }


async def test_readings_of_no_asset_are_counted_and_nothing_else() -> None:
    world = World(binding())
    await world.register()
    async with world.worker():
        stray = make_reading(tag="/SITE09/X/TEMP")
        message = await world.send(stray, make_reading(tag="/SITE01/P-101/NOISE"))
        await until(lambda: not world.inference.bodies)
    counts = await world.counts(message)
    assert (counts["accepted"], counts["unbound"], counts["framed"]) == (2, 2, 0)
    assert world.predictions == []


async def test_rejects_and_canaries_are_acked_unread() -> None:
    world = World(binding())
    await world.register()
    reject = Reject(GatewayId("gw-7"), "r1", 0, "no time", "{}", Micros(NOON))
    rejects = rejects_message([reject], pack_id="p1", created_at=Micros(NOON))
    canary = Envelope(version=1, id="c1", created_at=Micros(NOON), kind=CANARY)
    async with world.worker():
        body = READINGS.encode(rejects)
        await world.inference.publish([body, READINGS.encode(canary)])  # type: ignore[arg-type]
        await until(lambda: not world.inference.bodies)
    assert world.inference.dead_letters == []
    assert world.predictions == []


async def test_a_delivery_that_comes_twice_is_answered_twice_with_the_same_identity() -> None:
    world = World(binding())
    await world.register()
    async with world.worker():
        message = await world.send(*scan(0, 70, 30))
        await until(lambda: not world.inference.bodies)
        await world.inference.publish([READINGS.encode(message)])
        await until(lambda: not world.inference.bodies)
    first, again = world.predictions
    assert first.identity == again.identity
    assert (first.revision, first.features) == (again.revision, again.features)
    assert len(world.shown) == 1


async def test_a_crash_between_the_state_and_the_topic_loses_nothing() -> None:
    """The state was written, the publish failed; newer readings came; then the first came again."""
    refused: list[str] = []

    def on_publish(body: str) -> str | None:
        if not refused:
            refused.append(body)
            raise StoreUnavailable("the topic does not answer")
        return None

    world = World(binding(), on_publish=on_publish)
    await world.register()
    async with world.worker():
        await world.send(*scan(0, 70, 30))
        await until(lambda: bool(refused))
        await world.send(*scan(1, 80, 20))
        await until(lambda: not world.inference.bodies, meanwhile=world.hurry)
    shown = {p.event_time: p.features for p in world.shown.values()}
    assert shown == {NOON: (70, 30), NOON + SECOND: (80, 20)}


async def test_an_unpublished_prediction_is_no_ack() -> None:
    world = World(binding(), on_publish=lambda _: "InternalError")
    await world.register()
    async with world.worker():
        await world.send(*scan(0, 70, 30))
        await until(lambda: len(world.host.calls) > 1, meanwhile=world.hurry)  # type: ignore[attr-defined]
    assert len(world.inference.bodies) == 1


async def test_one_broken_model_never_holds_up_the_rows_of_another() -> None:
    async def broken(_: bytes) -> bytes:
        raise EndpointUnavailable("503")

    async def well(body: bytes) -> bytes:
        return score(body)

    world = World(binding(name="well"), replace(binding(name="ill"), model="ill"))
    world.host = host = StubbornHost(**{"pump-failure": well, "ill": broken})
    await world.register(version(), version("ill"))
    async with world.worker():
        messages = [await world.send(*scan(second, 70, 30)) for second in range(5)]
        await until(lambda: not world.inference.bodies)
        assert {p.binding for p in world.predictions} == {"well"}
        assert len(world.predictions) == 5
        counts = await world.counts(messages[0])
        assert (counts["frames_predicted"], counts["frames_deferred"]) == (1, 1)

        host.endpoints["ill"] = well
        await until(lambda: not world.deferred.bodies, meanwhile=world.wait_a_minute)
    ill = {p.event_time: p.features for p in world.shown.values() if p.binding == "ill"}
    assert ill == {NOON + second * SECOND: (70, 30) for second in range(5)}
    assert world.dead.letters == []


async def test_a_model_that_hangs_costs_one_patience_and_its_rows_wait_elsewhere() -> None:
    hanging = asyncio.Event()

    async def hangs(body: bytes) -> bytes:
        await hanging.wait()
        return score(body)

    async def well(body: bytes) -> bytes:
        return score(body)

    world = World(binding(name="well"), replace(binding(name="ill"), model="ill"))
    world.host = StubbornHost(**{"pump-failure": well, "ill": hangs})
    await world.register(version(), version("ill"))
    async with world.worker(world.settings(live_patience_seconds=2)):
        for second in range(40):
            await world.send(*scan(second, 70, 30))
        await until(lambda: not world.inference.bodies)
        hanging.set()
    shown = [p.event_time for p in world.shown.values() if p.binding == "well"]
    assert sorted(shown) == [NOON + second * SECOND for second in range(40)]
    assert world.deferred.bodies


async def test_a_missing_endpoint_is_told_by_name_to_people() -> None:
    world = World(binding())
    world.host = StubbornHost()
    await world.register()
    async with world.worker():
        message = await world.send(*scan(0, 70, 30))
        await until(lambda: not world.inference.bodies)
    ((_, reason),) = world.dead.letters
    assert "pump-failure" in reason
    (letter,) = world.dead.messages
    assert (letter.endpoint, len(letter.rows)) == ("pump-failure", 1)
    assert (await world.counts(message))["frames_dead"] == 1


async def test_a_late_reading_is_corrected_once_the_archive_has_it() -> None:
    world = World(binding(row(*last("TEMP", "VIBRATION"), max_staleness=Micros(HOUR))))
    await world.register()
    late = make_reading(at=NOON + SECOND, value=90, accepted_at=NOON + 60 * SECOND)
    async with world.worker():
        for second in [0, *range(2, 12)]:
            await world.archive_pack(await world.send(*scan(second, 70, 30)))
            await until(lambda: not world.inference.bodies)
        message = await world.send(late)
        await until(lambda: not world.inference.bodies)
        assert (await world.counts(message))["corrections"] == 1
        assert len(world.corrections.bodies) == 1
        await world.archive_pack(message)
        await until(lambda: not world.corrections.bodies, meanwhile=world.hurry)
    told = {p.event_time: p for p in world.shown.values()}
    assert told[late.at].features == (90, 30)
    assert told[late.at].flags & PredictionFlag.LATE
    assert told[late.at].revision == 12
    assert told[Micros(NOON + 2 * SECOND)].features == (70, 30)


async def test_a_correction_waits_for_the_pack_of_an_archivist_that_died_long_ago() -> None:
    """The archive got every pack but the second; forty scans later a reading comes late."""
    world = World(binding(row(*last("TEMP", "VIBRATION"), max_staleness=Micros(HOUR))))
    await world.register()
    async with world.worker():
        held_up = None
        for second in [0, 1, *range(3, 45)]:
            message = await world.send(*scan(second, 70, second))
            if second == 1:
                held_up = message
            else:
                await world.archive_pack(message)
            await until(lambda: not world.inference.bodies)
            world.clock.advance(seconds=1)
        late = make_reading(at=NOON + 2 * SECOND, value=90, accepted_at=NOON + 60 * SECOND)
        await world.archive_pack(await world.send(late))
        await until(lambda: not world.inference.bodies)
        first = world.corrections.bodies
        await until(lambda: world.corrections.bodies != first, meanwhile=world.hurry)
        assert late.at not in {p.event_time for p in world.shown.values()}
        assert held_up is not None
        await world.archive_pack(held_up)
        await until(lambda: not world.corrections.bodies, meanwhile=world.hurry)
    told = {p.event_time: p for p in world.shown.values()}
    assert told[late.at].features == (90, 1), "the vibration that the second pack brought"


async def test_a_correction_waits_longer_than_its_receives_last() -> None:
    world = World(binding(grace=10 * HOUR))
    await world.register()
    async with world.worker():
        for second in range(8):
            await world.archive_pack(await world.send(*scan(second, 70, 30)))
            await until(lambda: not world.inference.bodies)
        late = await world.send(make_reading(at=NOON - SECOND, value=90))
        await until(lambda: not world.inference.bodies)
        first = world.corrections.bodies
        # Each look costs a receive; in the end a copy with a count of its own takes its place.
        await until(lambda: world.corrections.bodies != first, meanwhile=world.hurry)
        await world.archive_pack(late)
        await until(lambda: not world.corrections.bodies, meanwhile=world.hurry)
    assert world.corrections.dead_letters == []
    assert (NOON - SECOND) in {p.event_time for p in world.shown.values()}


async def test_a_reading_past_its_grace_is_counted_late_and_changes_nothing() -> None:
    world = World(binding(grace=HOUR))
    await world.register()
    async with world.worker():
        await world.send(*scan(0, 70, 30))
        await until(lambda: not world.inference.bodies)
        message = await world.send(make_reading(at=NOON - HOUR - 1, value=90))
        await until(lambda: not world.inference.bodies)
    assert (await world.counts(message))["late"] == 1
    assert len(world.predictions) == 1
    assert world.corrections.bodies == []


async def test_a_sequence_asks_the_champion_and_a_second_one_replaces_it() -> None:
    frame = '{"mode": "sequence", "samples": 3}'
    world = World(endpoints={"waveform": score})
    await world.register(version("waveform", 4, frame))

    def sequence(value: float, accepted_at: int) -> SequenceReading:
        data = (value, value, value)
        return SequenceReading(
            GatewayId("gw-7"), "S-9", "waveform", Micros(NOON), data, Micros(accepted_at)
        )

    async with world.worker():
        for message in (
            world.pack(sequences=[sequence(20, NOON + 5)]),
            world.pack(sequences=[sequence(10, NOON + 2)]),
        ):
            await world.inference.publish([READINGS.encode(message)])
            await until(lambda: not world.inference.bodies)
    (shown,) = world.shown.values()
    assert (shown.binding, shown.asset, shown.event_time) == ("seq:waveform", "S-9", NOON)
    assert (shown.features, shown.revision) == ((20, 20, 20), NOON + 5)
    assert shown.model_version == "v4"


async def test_a_sequence_waits_for_a_model_without_a_champion() -> None:
    world = World(endpoints={"waveform": score})
    sequence = SequenceReading(GatewayId("gw-7"), "S-9", "waveform", Micros(NOON), (1,), Micros(1))
    async with world.worker():
        await world.inference.publish([READINGS.encode(world.pack(sequences=[sequence]))])
        await until(lambda: not world.inference.bodies)
        assert len(world.deferred.bodies) == 1
        await world.register(version("waveform", 1, '{"mode": "sequence", "samples": 1}'))
        world.context.context = replace(world.context.context, version=2)

        def time_passes() -> None:
            # It may be deferred once more before the worker hears of the model.
            world.clock.advance(seconds=5)
            world.hurry()

        await until(lambda: not world.deferred.bodies, meanwhile=time_passes)
        await until(lambda: bool(world.predictions), meanwhile=time_passes)
    (shown,) = world.shown.values()
    assert shown.model_version == "v1"


async def test_a_paused_binding_keeps_its_state_and_asks_nobody() -> None:
    paused = replace(binding(), state=BindingState.PAUSED)
    world = World(paused)
    await world.register()
    async with world.worker():
        message = await world.send(*scan(0, 70, 30)[:1])
        await until(lambda: not world.inference.bodies)
        assert (await world.counts(message))["state_only"] == 1
        world.context.context = replace(world.context.context, version=2, bindings=(binding(),))
        await until(lambda: knows_version(world, 2))
        await world.send(*scan(1, 80, 30)[1:])
        await until(lambda: not world.inference.bodies)
    (prediction,) = world.predictions
    assert prediction.features == (70, 30)


async def test_a_pack_of_many_assets_asks_its_model_in_one_call() -> None:
    assets = [
        replace(PUMP, name=AssetName(f"P-{n}"), prefixes=(TagPath(f"/SITE01/P-{n}"),))
        for n in range(30)
    ]
    world = World(binding(), assets=assets)
    await world.register()
    async with world.worker():
        readings = [reading for n in range(30) for reading in scan(0, n, 30, f"P-{n}")]
        await world.send(*readings)
        await until(lambda: not world.inference.bodies)
    assert len(world.predictions) == 30
    assert len(world.host.calls) <= 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.UNCERTAIN])
async def test_bad_quality_never_enters_a_frame_silently(quality: Quality) -> None:
    world = World(binding(row(*last("TEMP", "VIBRATION"), keep_uncertain=False)))
    await world.register()
    async with world.worker():
        doubtful = replace(scan(0, 70, 30)[0], quality=quality)
        await world.send(doubtful, scan(0, 70, 30)[1])
        await until(lambda: not world.inference.bodies)
    (prediction,) = world.predictions
    assert prediction.features_missing == 1
    assert prediction.quality is Quality.BAD
