"""Which predictions must exist, worked out anew from what was sent.

This is the checker's own idea of a frame, kept simple on purpose and sharing no code with the
worker: of each tag the last value before the frame's end, none when that one is bad or stale.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from penstock_local.checking.sent import Sent, SentReading, numbers

Place = tuple[str, str, int]
"""Binding, asset, event time: a live prediction's identity."""
Expected = dict[Place, tuple[float, ...]]
"""The features that the newest revision of each must have been made from."""


@dataclass(frozen=True, slots=True)
class RowBinding:
    """What the checker must know of a binding in mode `row` with last values."""

    name: str
    prefix_by_asset: dict[str, str]
    tags: tuple[str, ...]
    step: int = 0
    max_staleness: int = 3_600_000_000
    categories: tuple[tuple[str, tuple[str, ...]], ...] = ()


def expected_rows(sent: Sent, binding: RowBinding) -> Expected:
    """Work out every frame of a binding, one per asset and step that any of its tags touched."""
    expected: Expected = {}
    by_tag = _newest_by_time(sent.readings)
    for asset, prefix in binding.prefix_by_asset.items():
        series = {tag: by_tag.get(f"{prefix}/{tag}", []) for tag in binding.tags}
        times = {_floor(r.at, binding.step) for readings in series.values() for r in readings}
        for at in times:
            features = tuple(_last(series[tag], at, binding, tag) for tag in binding.tags)
            if not all(math.isnan(feature) for feature in features):
                expected[(binding.name, asset, at)] = features
    return expected


def expected_sequences(sent: Sent, model: str) -> Expected:
    """Work out the predictions of sequences: one per sensor and time, the last one sent."""
    return {(f"seq:{model}", s.sensor, s.at): s.data for s in sent.sequences}


def _newest_by_time(readings: Iterable[SentReading]) -> dict[str, list[SentReading]]:
    by_key: dict[str, dict[int, SentReading]] = defaultdict(dict)
    for reading in readings:
        by_key[reading.tag][reading.at] = reading
    return {tag: [by_at[at] for at in sorted(by_at)] for tag, by_at in by_key.items()}


def _last(series: Sequence[SentReading], at: int, binding: RowBinding, tag: str) -> float:
    end = at + max(binding.step, 1)
    position = bisect_left(series, end, key=lambda reading: reading.at) - 1
    if position < 0:
        return math.nan
    reading = series[position]
    if reading.is_bad or reading.at < at - binding.max_staleness:
        return math.nan
    known = dict(binding.categories).get(tag)
    if known and isinstance(reading.value, str):
        return float(known.index(reading.value)) if reading.value in known else math.nan
    return next(numbers([reading.value]))


def _floor(at: int, step: int) -> int:
    return at - at % step if step else at
