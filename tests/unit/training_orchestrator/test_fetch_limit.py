import asyncio
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.adapters.memory import FakeClock, MemoryKeyValueStore
from penstock.domain.errors import Throttled, VersionConflict
from penstock.domain.time import SECOND, Micros
from penstock.ports import Write
from penstock.resources import LEASES
from penstock.runtime.clock import SystemClock
from penstock.source_settings import SourceBody
from training_orchestrator.fetch_limit import SharedLimit
from training_orchestrator.fetch_share import (
    BLOCK,
    Rate,
    Shares,
    Wait,
    hold_back,
    lease,
    release,
)

NOW = Micros(1_790_000_000_000_000)


def make_source(rps: float = 1_000, concurrency: int = 2) -> SourceBody:
    body: dict[str, Any] = {
        "name": "historian",
        "plugin": "n3uron",
        "base_url": "https://node-7.example.com:3443",
        "rate": {"rps": rps, "concurrency": concurrency},
        "timeout_s": 5,
    }
    return SourceBody.model_validate(body)


def after(seconds: float) -> Micros:
    return Micros(NOW + round(seconds * SECOND))


def granted(shares: Shares, holder: str, rate: Rate, *, wanted: int, now: Micros = NOW) -> Shares:
    found = lease(shares, holder, rate, wanted=wanted, now=now)
    assert not isinstance(found, Wait), found
    return found[0]


RATE = Rate(rps=10, concurrency=3, longest=Micros(5 * SECOND))


def test_a_block_is_what_is_wanted_and_at_most_a_second() -> None:
    found = lease(Shares(), "a", RATE, wanted=4, now=NOW)
    assert not isinstance(found, Wait)
    shares, grant = found
    assert grant.starts == (NOW, after(0.1), after(0.2), after(0.3))
    assert grant.places.count == 3
    assert shares.next_at == after(0.4)
    more = lease(Shares(), "a", RATE, wanted=500, now=NOW)
    assert not isinstance(more, Wait)
    assert len(more[1].starts) == 10


def test_places_of_others_are_not_given_twice() -> None:
    shares = granted(Shares(), "a", RATE, wanted=2)
    found = lease(shares, "b", RATE, wanted=2, now=NOW)
    assert not isinstance(found, Wait)
    assert found[1].places.count == 1
    assert isinstance(lease(found[0], "c", RATE, wanted=1, now=NOW), Wait)


def test_places_of_a_dead_holder_end() -> None:
    shares = granted(Shares(), "a", RATE, wanted=3)
    assert lease(shares, "b", RATE, wanted=1, now=after(0.5)) == Wait(after(1.5))
    granted(shares, "b", RATE, wanted=1, now=after(5.3))


def test_released_places_are_free_at_once() -> None:
    shares = granted(Shares(), "a", RATE, wanted=3)
    granted(release(shares, "a", NOW), "b", RATE, wanted=3, now=NOW)


def test_all_wait_where_the_source_said_so_and_never_less_long() -> None:
    shares = hold_back(hold_back(Shares(), after(30)), after(10))
    assert lease(shares, "b", RATE, wanted=1, now=after(29)) == Wait(after(30))
    granted(shares, "b", RATE, wanted=1, now=after(30))


def test_nobody_books_more_than_a_block_ahead() -> None:
    shares = granted(Shares(), "a", RATE, wanted=500)
    assert lease(shares, "a", RATE, wanted=1, now=NOW) == Wait(after(1))


orders = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 20), st.integers(0, 2_000_000)), max_size=40
)


@given(orders, st.floats(0.2, 50), st.integers(1, 5))
def test_no_order_of_leases_passes_the_rate_or_the_places(
    asked: list[tuple[str, int, int]], rps: float, concurrency: int
) -> None:
    rate = Rate(rps, concurrency, Micros(2 * SECOND))
    shares, now = Shares(), NOW
    starts: list[Micros] = []
    for holder, wanted, pause in asked:
        now = Micros(now + pause)
        found = lease(shares, holder, rate, wanted=wanted, now=now)
        if isinstance(found, Wait):
            assert now < found.until
            continue
        shares, grant = found
        starts += grant.starts
        assert all(now <= start < now + BLOCK for start in grant.starts)
        held = [p.count for p in shares.holders.values() if p.until > now]
        assert sum(held) <= concurrency
    ordered = sorted(starts)
    assert ordered == starts
    assert all(b - a >= rate.spacing for a, b in pairwise(ordered))


async def ask(limit: SharedLimit, source: SourceBody, seen: list[float], busy: list[int]) -> None:
    async with limit.turn(source):
        seen.append(time.monotonic())
        busy.append(busy[-1] + 1)
        await asyncio.sleep(0.005)
        busy.append(busy[-1] - 1)


async def test_all_processes_together_keep_the_rate() -> None:
    store = MemoryKeyValueStore()
    limits = [SharedLimit(store, SystemClock(), f"fetcher-{n}") for n in range(3)]
    source = make_source(rps=100, concurrency=20)
    seen: list[float] = []
    started = time.monotonic()
    await asyncio.gather(*(ask(limits[n % 3], source, seen, [0]) for n in range(40)))
    assert len(seen) == 40
    # From the start on: a busy machine may be late to see the first one.
    assert max(seen) - started >= 39 / 100 * 0.9


async def test_all_processes_together_keep_the_concurrency() -> None:
    store = MemoryKeyValueStore()
    limits = [SharedLimit(store, SystemClock(), f"fetcher-{n}") for n in range(3)]
    busy = [0]
    source = make_source(concurrency=2)
    await asyncio.gather(*(ask(limits[n % 3], source, [], busy) for n in range(30)))
    assert max(busy) <= 2
    item = await store.get(LEASES.name, {"name": "source:historian"})
    assert item is not None
    assert item["holders"] == {}


async def test_a_source_that_says_wait_is_left_alone_by_all() -> None:
    store, clock = MemoryKeyValueStore(), FakeClock()
    one = SharedLimit(store, clock, "fetcher-1", patience_seconds=1)
    other = SharedLimit(store, clock, "fetcher-2", patience_seconds=1)
    await one.hold_back("historian", 40)
    for limit in (one, other):
        with pytest.raises(Throttled) as caught:
            async with limit.turn(make_source()):
                raise AssertionError("had a turn")
        assert caught.value.retry_after_seconds == pytest.approx(40)
    clock.advance(seconds=41)
    async with other.turn(make_source()):
        pass


async def test_a_block_of_requests_is_written_as_one() -> None:
    writes: list[Write] = []
    store = MemoryKeyValueStore(on_write=writes.append)
    limit = SharedLimit(store, SystemClock(), "fetcher-1")
    source = make_source(rps=1_000, concurrency=50)
    await asyncio.gather(*(ask(limit, source, [], [0]) for _ in range(50)))
    assert len(writes) <= 4


async def test_the_loser_of_a_race_reads_again() -> None:
    lost = [True, True]

    def on_write(write: Write) -> None:
        if lost:
            lost.pop()
            raise VersionConflict("somebody was quicker")

    limit = SharedLimit(MemoryKeyValueStore(on_write=on_write), SystemClock(), "fetcher-1")
    async with limit.turn(make_source()):
        assert not lost


async def test_a_failed_request_gives_its_place_back() -> None:
    store = MemoryKeyValueStore()
    limit = SharedLimit(store, SystemClock(), "fetcher-1", patience_seconds=2)
    source = make_source(concurrency=1)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with limit.turn(source):
                raise RuntimeError("broken")
