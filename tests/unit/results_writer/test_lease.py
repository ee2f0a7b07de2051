import asyncio

import pytest
from penstock.adapters.memory import FakeClock, MemoryKeyValueStore
from penstock.domain.errors import StoreUnavailable, Unavailable
from penstock.ports import Write
from penstock.runtime.clock import SystemClock
from results_writer.lease import Lease

from tests.fixtures.waiting import PATIENCE_SECONDS


def make_lease(store: MemoryKeyValueStore, holder: str, *, seconds: float = 60.0) -> Lease:
    return Lease(store, SystemClock(), name="merge", holder=holder, seconds=seconds)


async def test_only_one_holds_it_at_a_time() -> None:
    store = MemoryKeyValueStore()
    holding: list[str] = []

    async def work(holder: str) -> None:
        async with make_lease(store, holder).held(patience_seconds=PATIENCE_SECONDS):
            holding.append(holder)
            assert len(holding) == 1
            await asyncio.sleep(0.005)
            holding.remove(holder)

    await asyncio.gather(*(work(f"w{n}") for n in range(3)))
    assert store.items["leases"] == {}


async def test_who_waits_too_long_is_told_to_come_again() -> None:
    store = MemoryKeyValueStore()

    async def want() -> None:
        async with make_lease(store, "b").held(patience_seconds=0.05):
            raise AssertionError("two hold it")

    async with make_lease(store, "a").held(patience_seconds=0):
        with pytest.raises(Unavailable, match="another process"):
            await want()


async def test_a_lease_is_renewed_while_it_is_held() -> None:
    store = MemoryKeyValueStore()
    renewed = asyncio.Event()
    writes: list[Write] = []

    def on_write(write: Write) -> None:
        writes.append(write)
        if len(writes) >= 3:
            renewed.set()

    store.on_write = on_write
    async with (
        make_lease(store, "a", seconds=0.3).held(patience_seconds=0),
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        await renewed.wait()


async def test_a_dead_holders_lease_is_taken_over_after_its_end() -> None:
    store = MemoryKeyValueStore()
    clock = FakeClock()
    dead = Lease(store, clock, name="merge", holder="dead")
    entered = dead.held(patience_seconds=0)
    await entered.__aenter__()
    clock.advance(seconds=61)
    async with Lease(store, clock, name="merge", holder="b").held(patience_seconds=0):
        item = await store.get("leases", {"name": "merge"})
        assert item is not None
        assert item["holder"] == "b"
        await entered.__aexit__(None, None, None)
        assert await store.get("leases", {"name": "merge"}), "the old holder freed another's"


async def test_a_release_that_fails_does_not_undo_the_work() -> None:
    store = MemoryKeyValueStore()

    def refuse_deletes(write: Write) -> None:
        if write.delete:
            raise StoreUnavailable("gone")

    store.on_write = refuse_deletes
    async with make_lease(store, "a").held(patience_seconds=0):
        pass
