import asyncio

import pytest
from penstock.domain.errors import StoreUnavailable
from penstock.runtime.batching import Batcher
from penstock.runtime.lifecycle import Stop

from tests.fixtures.waiting import PATIENCE_SECONDS


async def test_callers_share_a_flush_and_learn_of_their_own_failures() -> None:
    flushed: list[list[str]] = []

    async def flush(items: list[str]) -> dict[int, str]:
        flushed.append(items)
        return {n: "refused" for n, item in enumerate(items) if item == "bad"}

    batcher = Batcher(flush, max_items=100, max_age_seconds=0.01, name="test")
    first, second = await asyncio.gather(batcher.add(["a", "b"]), batcher.add(["c", "bad"]))
    assert flushed == [["a", "b", "c", "bad"]]
    assert first == {}
    assert second == {1: "refused"}


async def test_a_full_batch_is_flushed_before_its_age() -> None:
    async def flush(items: list[int]) -> dict[int, str]:
        return {}

    batcher = Batcher(flush, max_items=3, max_age_seconds=3600, name="test")
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*(batcher.add([n]) for n in range(9)))


async def test_items_that_find_no_room_send_the_batch_off() -> None:
    flushed: list[list[int]] = []

    async def flush(items: list[int]) -> dict[int, str]:
        flushed.append(items)
        return {}

    stop = Stop()
    batcher = Batcher(flush, max_items=3, max_age_seconds=3600, name="test", stop=stop)
    waiting = [asyncio.create_task(batcher.add([n, n])) for n in range(2)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        await waiting[0]
        stop.set()
        await waiting[1]
    assert flushed == [[0, 0], [1, 1]]


async def test_a_batch_is_full_by_weight() -> None:
    flushed: list[list[str]] = []

    async def flush(items: list[str]) -> dict[int, str]:
        flushed.append(items)
        return {}

    batcher = Batcher(flush, max_items=10, max_age_seconds=3600, name="test", weigh=len)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await batcher.add(["aaaaaa", "bbbb"])
        await batcher.add(["larger than a whole batch"])
    assert flushed == [["aaaaaa", "bbbb"], ["larger than a whole batch"]]


async def test_nobody_is_answered_before_the_flush() -> None:
    release = asyncio.Event()

    async def flush(items: list[int]) -> dict[int, str]:
        await release.wait()
        return {}

    batcher = Batcher(flush, max_items=2, max_age_seconds=0.001, name="test")
    waiting = [asyncio.create_task(batcher.add([n])) for n in range(6)]
    done, _ = await asyncio.wait(waiting, timeout=0.05)
    assert not done
    release.set()
    await asyncio.gather(*waiting)


async def test_a_failed_flush_fails_every_caller_of_it_and_no_other() -> None:
    outcomes = iter([StoreUnavailable("down"), None])

    async def flush(items: list[int]) -> dict[int, str]:
        if error := next(outcomes):
            raise error
        return {}

    batcher = Batcher(flush, max_items=2, max_age_seconds=0.001, name="test")
    results = await asyncio.gather(*(batcher.add([n]) for n in range(4)), return_exceptions=True)
    failed = [isinstance(result, StoreUnavailable) for result in results]
    assert failed == [True, True, False, False]


async def test_a_caller_that_gives_up_takes_nobody_with_it() -> None:
    release = asyncio.Event()
    flushed: list[list[int]] = []

    async def flush(items: list[int]) -> dict[int, str]:
        await release.wait()
        flushed.append(items)
        return {}

    batcher = Batcher(flush, max_items=2, max_age_seconds=0.001, name="test")
    impatient = asyncio.create_task(batcher.add([1]))
    patient = asyncio.create_task(batcher.add([2]))
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    release.set()
    assert await patient == {}
    assert flushed == [[1, 2]]
