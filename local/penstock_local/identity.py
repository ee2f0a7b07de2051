"""Which process a pid means: pids are used again, so a pid alone is never enough to end one."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

# The clock that says when a process began is read in whole seconds and may be corrected meanwhile.
_CLOCK_SLACK_SECONDS = 2.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Identity:
    """A process by its pid and the moment when it began."""

    pid: int
    began_at: float

    @property
    def process(self) -> psutil.Process | None:
        """The process, None when it has ended, also where something else has its pid now."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.began_at) < _CLOCK_SLACK_SECONDS
        except psutil.NoSuchProcess:
            return None
        return process if is_same and lives(process) else None


def identify(pid: int) -> Identity | None:
    """Take down who has this pid now."""
    try:
        return Identity(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def myself() -> Identity:
    """Take down who we are."""
    return Identity(os.getpid(), psutil.Process().create_time())


def lives(process: psutil.Process) -> bool:
    """Whether it runs. A zombie has ended; only its parent has not looked yet."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def end_all(identities: list[Identity], *, patience_seconds: float = 10.0) -> int:
    """End these processes with all they started: SIGTERM, then SIGKILL. Return how many ran."""
    processes = [found for identity in identities if (found := identity.process) is not None]
    family = list(processes)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            family += process.children(recursive=True)
    for process in processes:
        # A process that was suspended must go on to end.
        for number in (signal.SIGTERM, signal.SIGCONT):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
    for process in _wait(family, patience_seconds):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _wait(family, patience_seconds)
    return len(processes)


def _wait(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until all have ended and return those that have not."""
    deadline = time.monotonic() + seconds
    while alive := [process for process in processes if lives(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_SECONDS)
    return alive
