"""A whole stack of its own, for tests and demonstrations: free ports, any folder, real processes.

with PenstockStack(folder) as stack:
    httpx.get(stack.endpoint("front-door") + "/healthz")
    stack.kill("inference-worker")
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from penstock_local import stackfile
from penstock_local.children import die_with_parent, forking
from penstock_local.logfiles import last_lines
from penstock_local.running import State
from penstock_local.stackfile import PartEntry, StackFile

_POLL_SECONDS = 0.05


class StackFailed(Exception):
    """The stack did not come up, or did not do in time what it was waited for."""


class PenstockStack:
    """Runs `penstock-local up` in a process of its own and reads what that says in `stack.json`."""

    def __init__(
        self,
        state_dir: Path,
        *,
        only: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        observe: bool = False,
        start_timeout_seconds: float = 600.0,
    ) -> None:
        """Take all parts, or `only` these and what they need; `environment` is added to ours.

        With `observe` there is part `traces` too, and the services record for it.
        """
        self.state_dir = state_dir
        self._only = only
        self._observe = observe
        self._environment = environment or {}
        self._start_timeout = start_timeout_seconds
        self._supervisor: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start, and return when every part is ready."""
        with ExitStack() as undo:
            undo.callback(self.stop)
            self.start()
            undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Start, and return when every part is ready; raise StackFailed with what it said."""
        self.state_dir.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "penstock_local", "up", "--ports", "free"]
        command += ["--state-dir", str(self.state_dir)]
        if self._observe:
            command += ["--observe"]
        for name in self._only:
            command += ["--only", name]
        with self._output.open("wb") as output, forking():
            self._supervisor = subprocess.Popen(  # noqa: S603 - our own command
                command,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - two calls, no locks
            )
        self.wait_until(lambda stack: stack.is_ready, "ready", seconds=self._start_timeout)

    def stop(self) -> int | None:
        """End it as people do, by SIGTERM, and return its exit status; twice is harmless."""
        if self._supervisor is None:
            return None
        if self._supervisor.poll() is None:
            self._supervisor.terminate()
        try:
            return self._supervisor.wait(120)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            return self._supervisor.wait()

    @property
    def content(self) -> StackFile:
        """What `stack.json` says now."""
        found = stackfile.read(self.state_dir)
        if found is None:
            raise StackFailed(f"no stack runs in {self.state_dir}:\n{last_lines(self._output)}")
        return found

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that make another program a client of this stack: AWS endpoints, DSN, token."""
        return self.content.environment

    @property
    def supervisor_pid(self) -> int:
        """The process that owns all others."""
        return self.content.supervisor.pid

    def endpoint(self, part: str) -> str:
        """URL or DSN of a part."""
        return self.content.part(part).endpoint

    def pid(self, part: str) -> int:
        """Process of a part; raise StackFailed while it has none."""
        identity = self.content.part(part).identity
        if identity is None:
            raise StackFailed(f"{part} has no process now")
        return identity.pid

    def kill(self, part: str) -> int:
        """End a part by SIGKILL, as a crash would, and return the pid it had."""
        pid = self.pid(part)
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_until_back(self, part: str, *, before: int, seconds: float = 180.0) -> PartEntry:
        """Wait until a killed part is ready again in another process than `before`."""

        def is_back(stack: StackFile) -> bool:
            entry = stack.part(part)
            is_another = entry.identity is not None and entry.identity.pid != before
            return is_another and entry.state is State.READY

        return self.wait_until(is_back, f"{part} back", seconds=seconds).part(part)

    def wait_until(
        self, holds: Callable[[StackFile], bool], what: str, *, seconds: float
    ) -> StackFile:
        """Wait for something that `stack.json` tells."""
        deadline = time.monotonic() + seconds
        while True:
            found = stackfile.read(self.state_dir)
            if found is not None and self._is_mine(found) and holds(found):
                return found
            has_ended = self._supervisor is not None and self._supervisor.poll() is not None
            if has_ended or time.monotonic() > deadline:
                why = "it ended" if has_ended else f"not within {seconds:g} s"
                raise StackFailed(f"not {what}: {why}\n{last_lines(self._output, 40)}")
            time.sleep(_POLL_SECONDS)

    def _is_mine(self, found: StackFile) -> bool:
        # Not what a killed predecessor left in the same folder.
        return self._supervisor is not None and found.supervisor.pid == self._supervisor.pid

    @property
    def _output(self) -> Path:
        return self.state_dir / "up.log"
