"""Find and end what is left of containers whose server is gone.

Every container process, and all that it starts, inherits an environment variable that names the
state directory and the run of the server. Unlike a process id it cannot be taken over by a
stranger, and it also finds grandchildren that left their process group.
"""

import contextlib
import os
import time
from pathlib import Path

import psutil

MARKER = "PENSTOCK_SAGEMAKER_CONTAINER_OF"
# A fork between finding and killing is met in the next round.
_ROUNDS = 100
_ROUND_SECONDS = 0.05


def mark_of(state_dir: Path, run: str = "") -> str:
    """Value of the marker; without a run it is the prefix that all runs share."""
    return f"{state_dir}#{run}"


def sweep(mark: str) -> int:
    """Kill every process that carries the mark, until none is found; return how many there were."""
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        found = _find(mark)
        if not found:
            break
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
            killed.add(process.pid)
        # Not `wait_procs`: it would take our own children's exit codes from their owner.
        time.sleep(_ROUND_SECONDS)
    return len(killed)


def _find(mark: str) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _mark(process).startswith(mark)
    ]


def _mark(process: psutil.Process) -> str:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:  # dead already, waiting for its parent
            return ""
        return str(process.environ().get(MARKER, ""))
    except (psutil.Error, OSError):
        return ""
