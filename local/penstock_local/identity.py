"""Which process a pid means: pids are used again, so a pid alone is never enough to end one."""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass

import psutil

# The clock that says when a process began is read in whole seconds and may be corrected meanwhile.
_CLOCK_SLACK_SECONDS = 2.0


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
            return process if is_same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def identify(pid: int) -> Identity | None:
    """Take down who has this pid now."""
    try:
        return Identity(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def myself() -> Identity:
    """Take down who we are."""
    return Identity(os.getpid(), psutil.Process().create_time())


def end_all(identities: list[Identity], *, patience_seconds: float = 10.0) -> int:
    """End these processes with all they started: SIGTERM, then SIGKILL. Return how many ran."""
    processes = [found for identity in identities if (found := identity.process) is not None]
    family = list(processes)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            family += process.children(recursive=True)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=patience_seconds)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=patience_seconds)
    return len(processes)
