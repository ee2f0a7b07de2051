"""What a gateway records: by exception with a deadband, at its scans, with quality.

Nothing is walked: whether a scan is recorded depends on it and the scan before it alone.
"""

from collections.abc import Iterator
from itertools import groupby

import numpy as np
import numpy.typing as npt

from penstock_local.plant.layout import DEADBANDS, LABEL, Asset, Plant
from penstock_local.plant.noise import Keys, Times, key_of, uniform
from penstock_local.plant.samples import BAD, GOOD, UNCERTAIN, Samples
from penstock_local.plant.signals import Machines

# Doubtful quality comes in blocks of this length, as a loose wire or a restart makes it.
BLOCK_MS = 300_000
SPARE_DEADBAND = 0.5


def record(
    plant: Plant, assets: list[Asset], tags: list[str], start_ms: int, end_ms: int
) -> Iterator[Samples]:
    """Yield what is recorded with times in [start, end) by the gateways' clocks, tag by tag."""
    for site, members in groupby(assets, key=lambda asset: asset.site):
        machines = Machines(plant, list(members))
        skew = plant.skew_of(site)
        for tag in tags:
            yield from _record_tag(machines, tag, start_ms - skew, end_ms - skew, skew)


def _record_tag(
    machines: Machines, tag: str, start_ms: int, end_ms: int, skew: int
) -> Iterator[Samples]:
    scans, inside = _scans(machines, start_ms, end_ms)
    keys = machines.keys(tag, "quality")
    # A label is written down afterwards: no wire is loose there.
    quality = _quality(machines.plant, keys, scans) if tag != LABEL else np.full_like(scans, GOOD)
    held = np.where(quality == BAD, scans // BLOCK_MS * BLOCK_MS, scans)
    values = machines.values(tag, held)
    moved = np.floor(values / DEADBANDS.get(tag, SPARE_DEADBAND))
    changed = (np.diff(moved, axis=1) != 0) | (np.diff(quality, axis=1) != 0)
    recorded = (changed | _is_heartbeat(machines.plant, keys, scans[:, 1:])) & inside
    for row, asset in enumerate(machines.assets):
        kept = np.flatnonzero(recorded[row])
        yield Samples(
            tag=f"{asset.prefix}/{tag}",
            times=scans[row, 1:][kept] + skew,
            values=values[row, 1:][kept],
            quality=quality[row, 1:][kept],
        )


def _scans(machines: Machines, start_ms: int, end_ms: int) -> tuple[Times, npt.NDArray[np.bool_]]:
    """Return the scan times that may lie in [start, end) with one before, and which of them do."""
    step = machines.plant.scan_ms
    names = [key_of(machines.plant.seed, asset.prefix, "scan") for asset in machines.assets]
    # All tags of a machine are scanned together, each machine at its own part of the second.
    phase = (uniform(np.array(names, np.uint64), 0) * step).astype(np.int64).reshape(-1, 1)
    grid = np.arange(start_ms // step - 2, -(-end_ms // step) + 1, dtype=np.int64) * step
    scans = grid.reshape(1, -1) + phase
    return scans, (scans[:, 1:] >= start_ms) & (scans[:, 1:] < end_ms)


def _quality(plant: Plant, keys: Keys, times: Times) -> npt.NDArray[np.int64]:
    draw = uniform(keys, times // BLOCK_MS)
    doubtful = np.where(draw < plant.bad_share + plant.uncertain_share, UNCERTAIN, GOOD)
    return np.where(draw < plant.bad_share, BAD, doubtful)


def _is_heartbeat(plant: Plant, keys: Keys, times: Times) -> npt.NDArray[np.bool_]:
    every = max(1, plant.heartbeat_ms // plant.scan_ms)
    phase = (uniform(keys, -1) * every).astype(np.int64)
    beat: npt.NDArray[np.bool_] = (times // plant.scan_ms + phase) % every == 0
    return beat
