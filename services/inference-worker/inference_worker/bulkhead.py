"""Everything that waits for one endpoint: what piled up goes out together, within its gate.

Each endpoint has one of its own, so that a slow or broken one holds up nobody else.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeAlias

from penstock.channels.deferred import FrameRow

from inference_worker.asking import Deferred, Outcome
from inference_worker.gate import Gate

Lane: TypeAlias = Literal["live", "bulk"]
"""Live rows go first and share calls; bulk ones (redrives, corrections, replays) use what is left,
each message on its own, so that its trouble stays its own."""

Ask: TypeAlias = Callable[[Sequence[FrameRow]], Awaitable[list[Outcome]]]


@dataclass(frozen=True, slots=True)
class Patience:
    """How much may wait for an endpoint, and how long a delivery waits for its rows."""

    live_seconds: float = 10.0
    bulk_seconds: float = 90.0
    waiting_rows: int = 20_000


@dataclass(eq=False, slots=True)
class _Asked:
    rows: Sequence[FrameRow]
    lane: Lane
    done: asyncio.Future[None]
    outcomes: list[Outcome | None]
    is_queued: bool = False
    taken: int = 0
    settled: int = 0

    def settle(self, start: int, outcomes: Sequence[Outcome]) -> None:
        self.outcomes[start : start + len(outcomes)] = outcomes
        self.settled += len(outcomes)
        if self.settled == len(self.rows) and not self.done.done():
            self.done.set_result(None)

    def told(self, otherwise: Outcome) -> list[Outcome]:
        return [outcome or otherwise for outcome in self.outcomes]


@dataclass(frozen=True, slots=True)
class _Cut:
    """Rows of one asker that go out with a call."""

    asked: _Asked
    start: int
    end: int


@dataclass(slots=True)
class _Waiting:
    live: deque[_Asked] = field(default_factory=deque)
    bulk: deque[_Asked] = field(default_factory=deque)

    def of(self, lane: Lane) -> deque[_Asked]:
        return self.live if lane == "live" else self.bulk


class Bulkhead:
    """Queues rows for one endpoint and sends them in as few calls as their arrival allows."""

    def __init__(
        self, name: str, ask: Ask, gate: Gate, *, rows_that_fit: Callable[[int], int],
        patience: Patience,
    ) -> None:  # fmt: skip
        """Keep the endpoint's gate; `rows_that_fit` bounds a call by the width of its rows."""
        self._name = name
        self._ask = ask
        self._gate = gate
        self._rows_that_fit = rows_that_fit
        self._patience = patience
        self._waiting = _Waiting()
        self._waiting_rows = 0
        self._calls: set[asyncio.Task[None]] = set()
        self._bulk_calls = 0
        self._room = asyncio.Event()
        self._room.set()

    async def ask(self, rows: Sequence[FrameRow], lane: Lane) -> list[Outcome]:
        """Wait for what becomes of each row; after the lane's patience they are deferred."""
        seconds = self._patience.live_seconds if lane == "live" else self._patience.bulk_seconds
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asked = _Asked(rows, lane, done, [None] * len(rows))
        try:
            async with asyncio.timeout(seconds):
                await self._wait_for_room()
                self._queue(asked)
                await done
        except TimeoutError:
            if lane == "live":
                # Whoever comes next should not wait as long: the rest goes the deferred way.
                self._gate.broke()
            self._pump()
            return asked.told(Deferred(f"no answer within {seconds:g} s"))
        finally:
            self._forget(asked)
        return asked.told(Deferred("not asked"))

    async def close(self) -> None:
        """End the calls in flight."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _wait_for_room(self) -> None:
        while self._waiting_rows >= self._patience.waiting_rows and not self._gate.is_open:
            self._room.clear()
            await self._room.wait()

    def _queue(self, asked: _Asked) -> None:
        asked.is_queued = True
        self._waiting_rows += len(asked.rows)
        self._waiting.of(asked.lane).append(asked)
        # Later in this turn of the loop: rows that arrive together go out together.
        asyncio.get_running_loop().call_soon(self._pump)

    def _forget(self, asked: _Asked) -> None:
        if asked.is_queued:
            self._waiting.of(asked.lane).remove(asked)
            self._unqueue(asked, len(asked.rows))

    def _unqueue(self, asked: _Asked, until: int) -> None:
        self._waiting_rows -= until - asked.taken
        asked.taken = until
        asked.is_queued = until < len(asked.rows)
        self._room.set()

    def _pump(self) -> None:
        """Start the calls that the gate admits; where it is not closed, nobody waits for it."""
        while self._gate.admits(len(self._calls)) and (cuts := self._next_cuts()):
            self._start(cuts)
        if not self._gate.is_closed:
            self._give_up()

    def _give_up(self) -> None:
        reason = Deferred(f"endpoint {self._name} is not asked for a while after failures")
        for queue in (self._waiting.live, self._waiting.bulk):
            for asked in queue:
                start = asked.taken
                self._unqueue(asked, len(asked.rows))
                asked.settle(start, [reason] * (len(asked.rows) - start))
            queue.clear()

    def _next_cuts(self) -> list[_Cut]:
        if self._waiting.live:
            # A probe carries the rows of one message: if it hangs, only that one waits.
            return self._cut_from(self._waiting.live, is_shared=self._gate.is_closed)
        if self._waiting.bulk and self._bulk_calls < max(1, self._gate.most_calls // 2):
            return self._cut_from(self._waiting.bulk, is_shared=False)
        return []

    def _cut_from(self, queue: deque[_Asked], *, is_shared: bool) -> list[_Cut]:
        width = len(queue[0].rows[queue[0].taken].features)
        room = min(self._gate.most_rows, self._rows_that_fit(width))
        cuts: list[_Cut] = []
        while queue and room and (is_shared or not cuts):
            asked = queue[0]
            start = asked.taken
            end = _same_width(asked.rows, start, min(len(asked.rows), start + room), width)
            if end == start:
                break
            cuts.append(_Cut(asked, start, end))
            room -= end - start
            self._unqueue(asked, end)
            if not asked.is_queued:
                queue.popleft()
        return cuts

    def _start(self, cuts: list[_Cut]) -> None:
        self._gate.started()
        self._bulk_calls += cuts[0].asked.lane == "bulk"
        call = asyncio.create_task(self._call(cuts), name=f"{self._name}.call")
        self._calls.add(call)
        call.add_done_callback(partial(self._ended, cuts))

    async def _call(self, cuts: list[_Cut]) -> None:
        rows = [row for cut in cuts for row in cut.asked.rows[cut.start : cut.end]]
        outcomes = await self._ask(rows)
        position = 0
        for cut in cuts:
            count = cut.end - cut.start
            cut.asked.settle(cut.start, outcomes[position : position + count])
            position += count

    def _ended(self, cuts: list[_Cut], call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._bulk_calls -= cuts[0].asked.lane == "bulk"
        self._gate.ended()
        if call.cancelled():
            return
        error = call.exception()
        for cut in cuts:
            if error is not None and not cut.asked.done.done():
                cut.asked.done.set_exception(error)
        self._pump()


def _same_width(rows: Sequence[FrameRow], start: int, end: int, width: int) -> int:
    """End of the run of rows that fit one table; sequences may come in any length."""
    for position in range(start, end):
        if len(rows[position].features) != width:
            return position
    return end
