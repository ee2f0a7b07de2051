"""A whole worker in memory: its context, its neighbours and its end."""

import asyncio
from dataclasses import replace

from httpx import ASGITransport, AsyncClient
from penstock.channels.readings import CHANNEL as READINGS
from penstock.domain.time import SECOND

from tests.factories import NOON
from tests.fixtures.waiting import PATIENCE_SECONDS
from tests.unit.inference_worker.plants import binding
from tests.unit.inference_worker.worlds import (
    StubbornHost,
    World,
    scan,
    score,
    until,
    version,
)


async def test_a_binding_to_one_version_asks_that_variant() -> None:
    world = World(replace(binding(), model_version="v2"))

    async def well(body: bytes) -> bytes:
        return score(body)

    world.host = host = StubbornHost(**{"pump-failure": well})
    await world.register(version(number=2), version(number=3))
    async with world.worker():
        await world.send(*scan(0, 70, 30))
        await until(lambda: not world.inference.bodies)
    (prediction,) = world.predictions
    assert (prediction.model_version, prediction.variant) == ("v2", "v2")
    assert host.calls == [("pump-failure", 1, "v2")]


async def test_while_aurora_is_down_the_last_context_serves() -> None:
    world = World(binding())
    await world.register()
    async with world.worker() as app:
        world.context.is_down = True
        async with AsyncClient(transport=ASGITransport(app), base_url="http://w") as client:
            assert (await client.get("/readyz")).status_code == 200
        await world.send(*scan(0, 70, 30))
        await until(lambda: not world.inference.bodies)
    assert len(world.predictions) == 1


async def test_a_worker_that_never_knew_the_context_is_not_ready_and_loses_nothing() -> None:
    world = World(binding())
    world.context.is_down = True
    await world.register()
    async with world.worker() as app:
        await world.send(*scan(0, 70, 30))
        async with AsyncClient(transport=ASGITransport(app), base_url="http://w") as client:
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/healthz")).status_code == 200
        assert world.predictions == []
        world.context.is_down = False
        await until(lambda: not world.inference.bodies, meanwhile=world.hurry)
    assert len(world.predictions) == 1


async def test_a_stop_while_all_slots_wait_for_a_model_gives_every_message_back() -> None:
    hanging = asyncio.Event()
    asked = asyncio.Event()

    async def hangs(body: bytes) -> bytes:
        asked.set()
        await hanging.wait()
        return score(body)

    world = World(binding())
    world.host = StubbornHost(**{"pump-failure": hangs})
    await world.register()
    settings = world.settings(deliveries_at_once=2, drain_seconds=0.05, live_patience_seconds=300)
    async with asyncio.timeout(PATIENCE_SECONDS), world.worker(settings):
        for second in range(4):
            await world.send(*scan(second, 70, 30))
        await asked.wait()
    assert len(world.inference.bodies) == 4
    assert world.predictions == []

    hanging.set()
    async with world.worker():
        await until(lambda: not world.inference.bodies, meanwhile=world.hurry)
    assert len(world.shown) == 4


async def test_two_workers_share_an_asset_and_every_scan_is_predicted() -> None:
    world = World(binding())
    await world.register()
    async with world.worker(), world.worker():
        messages = [world.pack(*scan(second, second, 30)) for second in range(60)]
        await world.inference.publish([READINGS.encode(message) for message in messages])
        for message in messages:
            await world.archive_pack(message)
        await until(lambda: not world.inference.bodies, meanwhile=world.hurry)
        await until(lambda: not world.corrections.bodies, meanwhile=world.hurry)
    shown = {p.event_time: p.features for p in world.shown.values()}
    assert shown == {NOON + second * SECOND: (second, 30) for second in range(60)}
