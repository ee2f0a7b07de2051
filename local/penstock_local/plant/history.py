"""The plant's history: everything up to now, in one piece, at any place."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from penstock_local.plant.failures import STRETCH_MS, failure_times
from penstock_local.plant.layout import Plant, paths
from penstock_local.plant.recording import record
from penstock_local.plant.samples import Samples
from penstock_local.plant.signals import Machines

# What one request may make the simulator work out: about a second of work and 1 GB of memory.
MAX_SCANS = 20_000_000


class TooMuchError(ValueError):
    """A range that must be asked for in smaller parts."""


@dataclass(frozen=True, slots=True, eq=False)
class PlantHistory:
    """History of one plant up to `now_ms()`."""

    plant: Plant
    now_ms: Callable[[], int]

    def tags(self) -> list[str]:
        return paths(self.plant.assets(), self.plant.recorded_tags())

    def read(self, tags: Sequence[str], start_ms: int, end_ms: int) -> list[Samples]:
        end_ms = min(end_ms, self.now_ms())
        scans = max(0, end_ms - start_ms) // self.plant.scan_ms
        if scans * len(tags) > MAX_SCANS:
            raise TooMuchError(f"{len(tags)} tags over {scans} scans: ask for a shorter range")
        return [sample for tag in tags for sample in self._read_tag(tag, start_ms, end_ms)]

    def latest(self, tag: str) -> Samples:
        """Return the last recorded value of a tag."""
        now = self.now_ms()
        since = now - self.plant.heartbeat_ms - 2 * self.plant.scan_ms
        (samples,) = self._read_tag(tag, since, now)
        return Samples(tag, samples.times[-1:], samples.values[-1:], samples.quality[-1:])

    def failures(self, start_ms: int, end_ms: int) -> list[tuple[str, int]]:
        """Return (asset, time) of every failure in the range: the truth behind the label."""
        assets = self.plant.assets()
        stretches = np.arange(start_ms // STRETCH_MS, end_ms // STRETCH_MS + 1).reshape(1, -1)
        times = failure_times(Machines(self.plant, assets).keys("failure"), stretches)
        found = [
            (assets[row].name, int(times[row, column]))
            for row, column in zip(*np.nonzero(times >= 0), strict=True)
        ]
        return sorted(
            (item for item in found if start_ms <= item[1] < end_ms), key=lambda item: item[1]
        )

    def _read_tag(self, path: str, start_ms: int, end_ms: int) -> list[Samples]:
        found = self.plant.find(path)
        if found is None:
            raise KeyError(path)
        asset, tag = found
        return list(record(self.plant, [asset], [tag], start_ms, max(start_ms, end_ms)))
