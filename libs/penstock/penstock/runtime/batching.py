"""Batches by weight or age: nobody is answered before the flush that holds their items."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Generic, TypeVar

from penstock.runtime.lifecycle import Stop

T = TypeVar("T")

Flush = Callable[[list[T]], Awaitable[Mapping[int, str]]]
"""Makes a batch durable and answers which items failed for good, by position, and why."""


class Batcher(Generic[T]):
    """Gathers items of many callers into one flush at a time.

    `add` returns once the items are durable, with the failed ones by position within them, and
    raises what the flush raised. While a flush runs, the next batch gathers; once that is full,
    `add` waits: memory stays within two batches and the items that callers hold.
    """

    def __init__(
        self,
        flush: Flush[T],
        *,
        max_items: int,
        max_age_seconds: float,
        name: str,
        weigh: Callable[[T], int] | None = None,
        stop: Stop | None = None,
    ) -> None:
        """Keep the limits; the first `add` starts the first batch.

        With `weigh`, `max_items` bounds the sum of weights. Once `stop` is set no batch waits for
        its age, so that a drain need not.
        """
        self._flush = flush
        self._weigh = weigh
        self._stop = stop or Stop()
        self._max_items = max_items
        self._max_age_seconds = max_age_seconds
        self._name = name
        self._gathering: _Batch[T] | None = None
        self._flushing = asyncio.Lock()
        self._room = asyncio.Condition()

    async def add(self, items: Sequence[T]) -> dict[int, str]:
        """Wait for the flush that holds `items`; tell which of them failed, by position."""
        if not items:
            return {}
        batch, offset = await self._join(items)
        # Shielded: a caller that gives up must not take the others' flush with it.
        failed = await asyncio.shield(batch.flushed)
        span = range(offset, offset + len(items))
        return {position - offset: why for position, why in failed.items() if position in span}

    async def _join(self, items: Sequence[T]) -> "tuple[_Batch[T], int]":
        async with self._room:
            weight = sum(map(self._weigh, items)) if self._weigh else len(items)
            await self._room.wait_for(lambda: self._has_room(weight))
            batch = self._gathering
            if batch is None:
                batch = self._gathering = _Batch[T](self._run, name=f"{self._name}.flush")
            offset = len(batch.items)
            batch.items.extend(items)
            batch.weight += weight
            if batch.weight >= self._max_items:
                batch.full.set()
            return batch, offset

    def _has_room(self, weight: int) -> bool:
        batch = self._gathering
        if batch is None or batch.weight + weight <= self._max_items:
            return True
        batch.full.set()  # who waits for room must not wait for the age
        return False

    async def _run(self, batch: "_Batch[T]") -> Mapping[int, str]:
        full = asyncio.create_task(batch.full.wait(), name=f"{self._name}.full")
        stopping = asyncio.create_task(self._stop.wait(), name=f"{self._name}.stopping")
        await asyncio.wait(
            {full, stopping}, timeout=self._max_age_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        full.cancel()
        stopping.cancel()
        async with self._flushing:
            async with self._room:
                self._gathering = None
                self._room.notify_all()
            return await self._flush(batch.items)


class _Batch(Generic[T]):
    def __init__(
        self, run: Callable[["_Batch[T]"], Coroutine[Any, Any, Mapping[int, str]]], *, name: str
    ) -> None:
        self.items: list[T] = []
        self.weight = 0
        self.full = asyncio.Event()
        self.flushed = asyncio.create_task(run(self), name=name)
        # Every caller may be gone when a flush fails: then nobody else looks at the error.
        self.flushed.add_done_callback(lambda task: task.cancelled() or task.exception())
