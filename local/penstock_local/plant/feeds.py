"""What is due to be sent, given the time: the plant, random sequences, air quality."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol

import numpy as np

from penstock_local.plant.layout import Asset, Plant
from penstock_local.plant.noise import key_of, smooth, uniform
from penstock_local.plant.payloads import (
    Payload,
    Sent,
    Shape,
    shape_air_quality,
    shape_readings,
    shape_sequence,
)
from penstock_local.plant.recording import record

AIR_QUALITY_GAP_MS = 250
LATE_BLOCK_MS = 10_000


class Feed(Protocol):
    def due(self, now_ms: int) -> list[Payload]:
        """Return what has become due since the last call, oldest first."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """A share of the readings, by tag and stretches of ten seconds, leaves the gateway later."""

    share: float = 0.0
    by_ms: int = 30_000

    def delay_ms(self, reading: Sent, seed: int) -> int:
        """Return how long the reading stays at the gateway."""
        if self.share == 0:
            return 0
        block = reading.at_ms // LATE_BLOCK_MS
        is_late = float(uniform(key_of(seed, reading.tag, "late"), block)) < self.share
        return self.by_ms if is_late else 0


@dataclass(slots=True)
class PlantFeed:
    """The machines of a plant as one gateway sends them, by exception."""

    plant: Plant
    assets: Sequence[Asset]
    since_ms: int
    gateway: str
    shape: Shape = "compact"
    readings_per_post: int = 500
    lateness: Lateness = Lateness()
    _held: list[tuple[int, Sent]] = field(default_factory=list)

    def due(self, now_ms: int) -> list[Payload]:
        if now_ms <= self.since_ms:
            return []
        fresh = self._recorded(self.since_ms, now_ms)
        self.since_ms = now_ms
        waiting = [*self._held, *fresh]
        self._held = [item for item in waiting if item[0] > now_ms]
        leaving = [reading for at, reading in waiting if at <= now_ms]
        return [
            shape_readings(leaving[i : i + self.readings_per_post], self.shape, self.gateway)
            for i in range(0, len(leaving), self.readings_per_post)
        ]

    def _recorded(self, start_ms: int, end_ms: int) -> list[tuple[int, Sent]]:
        """Return what was recorded in [start, end) of true time, and when each may leave."""
        found = []
        for site, members in groupby(self.assets, key=lambda asset: asset.site):
            skew = self.plant.skew_of(site)
            tags = self.plant.live_tags()
            for part in record(self.plant, list(members), tags, start_ms + skew, end_ms + skew):
                columns = (part.times.tolist(), part.values.tolist(), part.quality.tolist())
                for at, value, quality in zip(*columns, strict=True):
                    reading = Sent(part.tag, value, quality, at)
                    leaves = at - skew + self.lateness.delay_ms(reading, self.plant.seed)
                    found.append((leaves, reading))
        return sorted(found, key=lambda item: item[1].at_ms)


@dataclass(slots=True)
class SequenceFeed:
    """Random numbers of a few sensors in turn, with gaps of up to a second between them."""

    seed: int
    next_ms: int
    model: str
    sensors: int = 4
    length: int | None = None
    """Numbers per sequence; without it from 3 to 10."""
    _number: int = 0

    def due(self, now_ms: int) -> list[Payload]:
        payloads = []
        while self.next_ms < now_ms:
            payloads.append(self._sequence(self._number, self.next_ms))
            gap = round(1000 * float(uniform(key_of(self.seed, "gap"), self._number)))
            self.next_ms += max(1, gap)
            self._number += 1
        return payloads

    def _sequence(self, number: int, at_ms: int) -> Payload:
        drawn = int(3 + 8 * float(uniform(key_of(self.seed, "length"), number)))
        places = number * 100_000 + np.arange(self.length or drawn)
        data = (100 * uniform(key_of(self.seed, "data"), places)).astype(int).tolist()
        return shape_sequence(at_ms, f"sensor-{number % self.sensors + 1}", self.model, data)


@dataclass(slots=True)
class AirQualityFeed:
    """Stations that measure the air of a town, each at least 250 ms after its last time."""

    seed: int
    next_ms: int
    sensors: int = 4
    gap_ms: int = 1_000

    def __post_init__(self) -> None:
        self.gap_ms = max(self.gap_ms, AIR_QUALITY_GAP_MS)

    def due(self, now_ms: int) -> list[Payload]:
        payloads = []
        while self.next_ms < now_ms:
            payloads += [self._measure(n, self.next_ms) for n in range(1, self.sensors + 1)]
            self.next_ms += self.gap_ms
        return payloads

    def _measure(self, number: int, at_ms: int) -> Payload:
        sensor = f"air-{number:02d}"
        at = np.array([at_ms])
        measured: dict[str, float] = {
            name: int(
                np.clip(
                    middle + 25 * smooth(key_of(self.seed, sensor, name), at, 600_000)[0], 1, 215
                )
            )
            for name, middle in _POLLUTANTS.items()
        }
        east, north = (float(uniform(key_of(self.seed, sensor, axis), 0)) for axis in "xy")
        measured["longitude"] = round(10.1 + 0.1 * east, 6)
        measured["latitude"] = round(56.1 + 0.1 * north, 6)
        return shape_air_quality(at_ms, sensor, measured)


# The names are those of the simulator whose payloads these are, spelling included.
_POLLUTANTS = {
    "ozone": 95,
    "particulate_matter": 80,
    "carbon_monoxide": 60,
    "sulfure_dioxide": 50,
    "nitrogen_dioxide": 85,
}
