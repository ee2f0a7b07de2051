"""An event loop whose clock is our own CPU time and jumps over waiting.

What others do on the machine neither slows it down nor makes latencies longer, and minutes of a
slow load pass in seconds; what we compute delays what comes after it, as it does in earnest.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

from penstock.domain.time import SECOND, Micros, parse_iso

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_NOON = parse_iso("2026-11-20T12:00:00Z")


class LoopClock:
    """The running loop's time as a time of day."""

    def now(self) -> Micros:
        return time_of_day(asyncio.get_running_loop().time())


def time_of_day(seconds: float) -> Micros:
    """What the clock says when the loop has run for so long."""
    return Micros(_NOON + round(seconds * SECOND))


class CpuTimeLoop(asyncio.SelectorEventLoop):
    """Starts at 0; work for other threads is done in place, so that it counts in full."""

    def __init__(self) -> None:
        self._skipped = -time.process_time()
        super().__init__(_Jumping(self._skip))

    def time(self) -> float:
        return time.process_time() + self._skipped

    def run_in_executor(
        self, executor: Any, func: Callable[[*Ts], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        del executor
        done: asyncio.Future[T] = self.create_future()
        done.set_result(func(*args))
        return done

    def _skip(self, seconds: float) -> None:
        self._skipped += seconds


class _Jumping(selectors.DefaultSelector):
    def __init__(self, skip: Callable[[float], None]) -> None:
        super().__init__()
        self._skip_waiting = skip

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found and timeout is None:
            raise RuntimeError("everything waits, and nothing will ever come")
        if not found and timeout:
            self._skip_waiting(timeout)
        return found


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in a loop of its own."""
    with asyncio.Runner(loop_factory=CpuTimeLoop) as runner:
        return runner.run(work)
