"""Children that never outlive the process that started them, not even when it is killed."""

import ctypes
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PR_SET_PDEATHSIG = 1
# Loaded here, not in the child: between fork and exec nothing may take the import or loader lock.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(stop_signal: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """A `preexec_fn` that lets the kernel send `stop_signal` when the parent ends in any way.

    The kernel watches the *thread* that forks, so start such children from a thread that lives as
    long as the process, normally the main one. Elsewhere than on Linux it does nothing, and what a
    killed supervisor leaves behind is ended by the next `up` or `down`.
    """
    parent = os.getpid()

    def ask_the_kernel() -> None:
        if _libc is None:
            return
        _libc.prctl(_PR_SET_PDEATHSIG, stop_signal)
        if os.getppid() != parent:  # it died between our fork and the call above
            os.kill(os.getpid(), signal.SIGKILL)

    return ask_the_kernel


@contextmanager
def forking() -> Iterator[None]:
    """Around a fork that is known to be safe: Python 3.12 warns of each in a process with threads.

    Ours either exec at once or, for a snapshot, take no lock of another thread.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
