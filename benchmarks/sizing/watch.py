"""What the processes of a stack use: CPU of whole process trees, and the peaks of both."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

_SAMPLE_SECONDS = 0.25
_WINDOW_SECONDS = 2.0
"""Over which the busiest moment is averaged."""
MIB = 1024 * 1024


@dataclass(slots=True)
class Watch:
    """Follows processes by the name of their command until `close`; dead ones raise at `cpu`."""

    processes: Mapping[str, psutil.Process]
    peak_rss: dict[str, int] = field(default_factory=dict)
    peak_vcpus: dict[str, float] = field(default_factory=dict)
    _enough: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator["Watch"]:
        """Sample memory meanwhile."""
        sampling = threading.Thread(target=self._sample, name="watch", daemon=True)
        sampling.start()
        try:
            yield self
        finally:
            self._enough.set()
            sampling.join()

    def cpu_seconds(self) -> dict[str, float]:
        """CPU that each command has used so far, its threads and children that ended included."""
        return {name: _cpu_of_tree(process) for name, process in self.processes.items()}

    def _sample(self) -> None:
        began, before = time.monotonic(), self.cpu_seconds()
        while not self._enough.wait(_SAMPLE_SECONDS):
            for name, process in self.processes.items():
                self.peak_rss[name] = max(self.peak_rss.get(name, 0), _rss_of_tree(process))
            now = time.monotonic()
            if now - began >= _WINDOW_SECONDS:
                used = self.cpu_seconds()
                for name, seconds in used.items():
                    vcpus = (seconds - before[name]) / (now - began)
                    self.peak_vcpus[name] = max(self.peak_vcpus.get(name, 0.0), vcpus)
                began, before = now, used


def _cpu_of_tree(process: psutil.Process) -> float:
    # Process-wide times: those of live threads alone would forget threads that ended.
    times = process.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        try:
            of_child = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += of_child.user + of_child.system
    return float(total)


def _rss_of_tree(process: psutil.Process) -> int:
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total
