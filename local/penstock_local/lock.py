"""One supervisor per state directory, held by a lock that ends with its process."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock_local import stackfile


class AlreadyRunning(Exception):
    """Another supervisor has this state directory."""


@contextmanager
def only_supervisor(state_dir: Path) -> Iterator[None]:
    """Hold the state directory; raise AlreadyRunning where another one does."""
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "supervisor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            found = stackfile.read(state_dir)
            whose = f"pid {found.supervisor.pid}" if found else "it is just starting or ending"
            raise AlreadyRunning(
                f"a stack runs in {state_dir} already ({whose}): see `penstock-local status`, "
                "end it with `penstock-local down`, or give another --state-dir"
            ) from error
        yield
