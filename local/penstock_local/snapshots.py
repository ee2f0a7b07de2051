"""Snapshots of a process's memory, written by a fork of it so that it never stops to write.

A fork sees all of memory as it was at one instant, so the files of one snapshot belong together,
and the server goes on answering while its twin serialises.
"""

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress

from penstock_local.children import forking

# A snapshot may cost at most one part in this many of a core; a big state is saved less often.
_COST_DIVISOR = 20
_FIRST_FD_TO_CLOSE = 3  # standard error stays, for what goes wrong


class Snapshots:
    """Calls `save` in a fork every `interval_seconds`, whenever `touch` was called in between."""

    def __init__(self, save: Callable[[], None], *, interval_seconds: float) -> None:
        self._save = save
        self._interval = interval_seconds
        self._touched = False
        self._child: int | None = None
        self._task: asyncio.Task[None] | None = None

    def touch(self) -> None:
        """Say that there may be something new to save."""
        self._touched = True

    def start(self) -> None:
        """Begin, on the running loop."""
        self._task = asyncio.create_task(self._run(), name="snapshots")

    async def stop(self) -> None:
        """End, and give up a snapshot under way: what the caller saves next is newer."""
        if self._task is None:
            return
        self._task.cancel()
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
        with suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    async def _run(self) -> None:
        pause = self._interval
        while True:
            await asyncio.sleep(pause)
            if not self._touched:
                continue
            self._touched = False
            pause = max(self._interval, _COST_DIVISOR * await self._snapshot())

    async def _snapshot(self) -> float:
        """Take one and return the seconds of processor time that it took."""
        self._child = fork_and_call(self._save)
        # Shielded: the zombie must be reaped even when we are told to stop.
        waiting = asyncio.to_thread(os.wait4, self._child, 0)
        _, _, usage = await asyncio.shield(waiting)
        self._child = None
        return usage.ru_utime + usage.ru_stime


def fork_and_call(action: Callable[[], None]) -> int:
    """Run `action` in a fork of this process and return the fork's pid; the caller waits for it."""
    with forking():
        pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        # The listening socket must not stay open here after the server itself is gone.
        os.closerange(_FIRST_FD_TO_CLOSE, os.sysconf("SC_OPEN_MAX"))
        with suppress(OSError):
            os.nice(10)
        action()
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, a fork must never return to its caller
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
    finally:
        os._exit(status)
