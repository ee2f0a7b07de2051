"""One part as it runs: started, watched, restarted, ended."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from penstock_local.children import die_with_parent, forking
from penstock_local.identity import Identity, identify
from penstock_local.logfiles import last_lines
from penstock_local.part import Finished, Part, delay_before_restart
from penstock_local.probes import is_ready

_PROBE_EVERY_SECONDS = 0.1


class State(StrEnum):
    """Where a part is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class PartFailed(Exception):
    """A part can't start; says why, with the end of its log."""


@dataclass(slots=True)
class Status:
    """What is known of a part now."""

    state: State = State.WAITING
    identity: Identity | None = None
    restarts: int = 0
    note: str = ""


class RunningPart:
    """Keeps one part running until it is told to stop."""

    def __init__(self, part: Part, log: Path, on_change: Callable[["RunningPart"], None]) -> None:
        """Nothing is started yet; `on_change` is called after every change of `status`."""
        self.part = part
        self.log = log
        self.status = Status()
        self.is_ready = asyncio.Event()
        self._on_change = on_change
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._again = asyncio.Event()
        self._over = asyncio.Event()

    async def run(self, needs: Sequence["RunningPart"]) -> None:
        """Start when all `needs` are ready, and again whenever it ends, until `stop`.

        Raise PartFailed when it can't start.
        """
        try:
            await self._run(needs)
        finally:
            self._over.set()

    def run_again(self) -> None:
        """Let a part that had finished do its work once more."""
        self._again.set()

    async def stop(self) -> None:
        """End it: SIGTERM, and SIGKILL when its time is over. Nothing happens on a second call."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            self._change(State.STOPPING)
            self._terminate()
        try:
            async with asyncio.timeout(self.part.stop_timeout_seconds):
                await self._over.wait()
        except TimeoutError:
            self.kill()
            await self._over.wait()
        if self.status.state is not State.FAILED:
            self._change(State.STOPPED)

    def kill(self) -> None:
        """End it and all that it started, at once."""
        self._stopping.set()
        self._kill_group()

    async def _run(self, needs: Sequence["RunningPart"]) -> None:
        for needed in needs:
            await self._unless_stopping(needed.is_ready.wait())
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self._run_once()
            if self._stopping.is_set():
                return
            if isinstance(self.part.ready, Finished) and code == 0:
                failures = 0
                await self._wait_to_run_again()
                continue
            if time.monotonic() - began > self.part.restart.calm_after_seconds:
                failures = 0
            failures += 1
            self._require_worth_another_try(failures, code)
            await self._pause(failures, code)

    async def _run_once(self) -> int:
        try:
            process = await self._spawn()
        except OSError as error:
            self._change(State.FAILED, note="can't be run")
            raise PartFailed(f"{self.part.name} can't be run: {error}") from error
        watching = asyncio.create_task(self._watch_readiness(), name=f"{self.part.name} readiness")
        try:
            code = await process.wait()
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        if isinstance(self.part.ready, Finished) and code == 0:
            self._change(State.DONE)
            self.is_ready.set()
        return code

    async def _spawn(self) -> asyncio.subprocess.Process:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log, forking():
            log.write(f"=== {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {self.part.name} ===\n".encode())
            log.flush()
            process = await asyncio.create_subprocess_exec(
                *self.part.argv,
                env=dict(self.part.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A terminal sends Ctrl-C to its whole group: ours alone decides who ends when.
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
        self._process = process
        self.status.identity = identify(process.pid)
        self._change(State.STARTING)
        if self._stopping.is_set():  # told while we were starting it
            self._terminate()
        return process

    def _kill_group(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _terminate(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    async def _watch_readiness(self) -> None:
        deadline = time.monotonic() + self.part.start_timeout_seconds
        while not await is_ready(self.part.ready):
            if time.monotonic() > deadline:
                self.status.note = f"not ready within {self.part.start_timeout_seconds:g} s"
                self._kill_group()
                return
            await asyncio.sleep(_PROBE_EVERY_SECONDS)
        if not self._stopping.is_set():
            self.status.note = ""
            self._change(State.READY)
            self.is_ready.set()

    def _require_worth_another_try(self, failures: int, code: int) -> None:
        if self.is_ready.is_set() or failures < self.part.restart.attempts_to_start:
            return
        self._change(State.FAILED, note=self.status.note or _ended(code))
        raise PartFailed(
            f"{self.part.name} can't start ({self.status.note}, {failures} times in a row); "
            f"the end of {self.log}:\n{last_lines(self.log)}"
        )

    async def _pause(self, failures: int, code: int) -> None:
        seconds = delay_before_restart(
            self.part.restart,
            failures=failures,
            jitter=random.random(),  # noqa: S311 - spreads load, keeps no secret
        )
        note = self.status.note or _ended(code)
        self.status.restarts += 1
        self._change(State.RESTARTING, note=f"{note}, again in {seconds:.1f} s")
        self.status.note = ""
        await self._unless_stopping(asyncio.sleep(seconds))

    async def _wait_to_run_again(self) -> None:
        await self._unless_stopping(self._again.wait())
        self._again.clear()

    async def _unless_stopping(self, waiting: Awaitable[object]) -> None:
        stop = asyncio.ensure_future(self._stopping.wait())
        other = asyncio.ensure_future(waiting)
        try:
            await asyncio.wait({stop, other}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            other.cancel()

    def _change(self, state: State, note: str | None = None) -> None:
        self.status.state = state
        if note is not None:
            self.status.note = note
        if state in {State.DONE, State.RESTARTING, State.STOPPED, State.FAILED}:
            self.status.identity = None
        self._on_change(self)


def _ended(code: int) -> str:
    if code >= 0:
        return f"ended with status {code}"
    with suppress(ValueError):
        return f"ended by {signal.Signals(-code).name}"
    return f"ended by signal {-code}"
