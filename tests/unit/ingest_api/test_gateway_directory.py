import asyncio
from collections.abc import AsyncIterator

import pytest
from ingest_api.answers import Refusal
from ingest_api.gateway_directory import DirectorySettings, GatewayDirectory
from ingest_api.metrics import TalliedMetrics
from penstock.adapters.memory import FakeClock, MemoryKeyValueStore
from penstock.domain.errors import StoreUnavailable
from penstock.domain.ids import GatewayId
from penstock.gateways import GatewayBody, GatewayStore
from penstock.ports import Item
from penstock.runtime.lifecycle import Stop

from tests.fixtures.waiting import until

GW = GatewayId("gw-7")


class WatchedTables(MemoryKeyValueStore):
    """Tables that count their readers, may be down, and may hold them up."""

    def __init__(self) -> None:
        super().__init__()
        self.gets = 0
        self.refused_scans = 0
        self.is_down = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.scan_gate = asyncio.Event()
        self.scan_gate.set()

    async def get(self, table: str, key: Item) -> dict[str, object] | None:
        self.gets += 1
        await self.gate.wait()
        if self.is_down:
            raise StoreUnavailable("no answer")
        return await super().get(table, key)

    async def scan(self, table: str) -> AsyncIterator[dict[str, object]]:
        if self.is_down:
            self.refused_scans += 1
            raise StoreUnavailable("no answer")
        found = [item async for item in super().scan(table)]
        await self.scan_gate.wait()
        for item in found:
            yield item


class World:
    """A directory over watched tables, with a gateway that it may not know yet."""

    def __init__(self, **settings: float) -> None:
        self.clock = FakeClock()
        self.tables = WatchedTables()
        self.store = GatewayStore(self.tables, self.clock)
        self.metrics = TalliedMetrics("test")
        self.directory = GatewayDirectory(
            self.store, self.clock, self.metrics, DirectorySettings.model_validate(settings)
        )

    async def new_key(self, gateway_id: str = GW) -> str:
        await self.store.put(GatewayBody(gateway_id=gateway_id))
        issued = await self.store.add_key(GatewayId(gateway_id))
        self.tables.gets = 0
        return issued.key.get_secret_value()


async def test_a_gateway_newer_than_the_snapshot_is_looked_up_once_for_all_who_ask() -> None:
    world = World()
    key = await world.new_key()
    world.tables.gate.clear()
    asking = [asyncio.create_task(world.directory.open(key)) for _ in range(5)]
    await until(lambda: world.tables.gets > 0)
    world.tables.gate.set()
    opened = await asyncio.gather(*asking)
    assert {known.gateway_id for known, _ in opened} == {GW}
    assert world.tables.gets == 1


async def test_while_the_table_is_down_an_unknown_key_is_not_called_wrong() -> None:
    world = World()
    key = await world.new_key()
    world.tables.is_down = True
    world.tables.gate.clear()
    asking = [asyncio.create_task(world.directory.open(key)) for _ in range(3)]
    await until(lambda: world.tables.gets > 0)
    world.tables.gate.set()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(result, StoreUnavailable) for result in results)


async def test_while_the_table_is_down_known_gateways_keep_sending() -> None:
    world = World(refresh_seconds=0.005)
    key = await world.new_key()
    stop = Stop()
    task = asyncio.create_task(world.directory.run(stop))
    await world.directory.refresh()
    world.tables.is_down = True
    await until(lambda: world.tables.refused_scans >= 2)
    assert (await world.directory.open(key))[0].gateway_id == GW
    stop.set()
    await task


async def test_an_asker_that_goes_away_does_not_turn_away_the_others() -> None:
    world = World()
    key = await world.new_key()
    world.tables.gate.clear()
    first = asyncio.create_task(world.directory.open(key))
    await until(lambda: world.tables.gets > 0)
    second = asyncio.create_task(world.directory.open(key))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(StoreUnavailable):
        await second
    world.tables.gate.set()
    assert await world.directory.open(key)


async def test_guessed_names_reach_the_table_seldom() -> None:
    world = World(look_ups_per_second=1)
    wrong = [f"psk_guess-{n}_{'0' * 64}" for n in range(50)]
    results = await asyncio.gather(
        *[world.directory.open(key) for key in wrong], return_exceptions=True
    )
    assert world.tables.gets <= 11
    assert any(isinstance(result, Refusal) for result in results)
    assert any(isinstance(result, StoreUnavailable) for result in results)


async def test_a_wrong_key_of_a_known_gateway_reaches_the_table_seldom() -> None:
    world = World()
    await world.new_key()
    await world.directory.refresh()
    for _ in range(20):
        with pytest.raises(Refusal):
            await world.directory.open(f"psk_{GW}_{'0' * 64}")
    assert world.tables.gets == 1


async def test_a_refresh_does_not_forget_what_was_looked_up_meanwhile() -> None:
    world = World()
    world.tables.scan_gate.clear()
    refreshing = asyncio.create_task(world.directory.refresh())
    await asyncio.sleep(0)
    key = await world.new_key()
    assert await world.directory.open(key)
    world.tables.scan_gate.set()
    await refreshing
    assert await world.directory.open(key)
    assert world.tables.gets == 1


async def test_what_did_not_change_keeps_what_was_prepared_for_it() -> None:
    world = World()
    key = await world.new_key()
    await world.directory.refresh()
    before, _ = await world.directory.open(key)
    await world.directory.refresh()
    assert (await world.directory.open(key))[0] is before
    await world.store.add_key(GW)
    await world.directory.refresh()
    after, _ = await world.directory.open(key)
    assert after.quota is before.quota
    await world.store.put(GatewayBody(gateway_id=GW, description="new"))
    await world.directory.refresh()
    assert (await world.directory.open(key))[0].rules is not before.rules


async def test_it_is_ready_once_the_gateways_were_read() -> None:
    world = World()
    with pytest.raises(StoreUnavailable):
        await world.directory.check_loaded()
    await world.directory.refresh()
    await world.directory.check_loaded()


async def test_a_deleted_gateway_is_gone_after_the_next_refresh() -> None:
    world = World(look_up_again_seconds=0)
    key = await world.new_key()
    await world.directory.refresh()
    await world.store.delete(GW)
    await world.directory.refresh()
    with pytest.raises(Refusal):
        await world.directory.open(key)
