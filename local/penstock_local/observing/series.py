"""What the processes show at `/metrics`, kept for some minutes, and what it says by then."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from penstock.metrics import METRICS, Metric
from prometheus_client.parser import text_string_to_metric_families

from penstock_local.observing.waterfall import time_label

Labels: TypeAlias = tuple[tuple[str, str], ...]
Key: TypeAlias = tuple[str, Labels]
"""Name of a sample, and its labels in order."""

_SAMPLES = 150
_MOST_SERIES = 5_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the page: what a metric says now, and how it went."""

    metric: Metric
    labels: Labels
    now: str
    points: tuple[float, ...]

    @property
    def is_moved(self) -> bool:
        """Whether it was ever anything but zero of late."""
        return any(self.points)


@dataclass(slots=True)
class Series:
    """The samples of one process, each with the time at which it was looked at."""

    samples: dict[Key, deque[tuple[float, float]]] = field(default_factory=dict)
    looked_at: float = 0.0
    is_answering: bool = False

    def add(self, text: str, at: float) -> None:
        """Take what `/metrics` shows; what cannot be read is left out."""
        self.looked_at, self.is_answering = at, True
        for name, labels, value in _read(text):
            key = (name, labels)
            if key not in self.samples:
                if len(self.samples) >= _MOST_SERIES:
                    continue
                self.samples[key] = deque(maxlen=_SAMPLES)
            self.samples[key].append((at, value))

    def figures(self) -> list[Figure]:
        """What is to be said of every metric, business first."""
        ordered = sorted(METRICS, key=lambda metric: (not metric.is_business, metric.name))
        return [figure for metric in ordered for figure in self._figures(metric)]

    def _figures(self, metric: Metric) -> Iterator[Figure]:
        name = metric.exposed_name
        counted = f"{name}_count" if metric.kind == "histogram" else name
        for (known, labels), samples in sorted(self.samples.items(), key=lambda one: one[0]):
            if known != counted:
                continue
            if metric.kind == "histogram":
                sums = self.samples.get((f"{name}_sum", labels), deque())
                yield _mean(metric, labels, samples, sums)
            elif metric.kind == "counter":
                yield _rate(metric, labels, samples)
            else:
                values = tuple(value for _, value in samples)
                yield Figure(metric, labels, _gauge_label(metric, values[-1]), values)


def sparkline(points: tuple[float, ...], *, width: float, height: float) -> str:
    """Points of an SVG polyline, from the bottom up; empty where there is nothing to draw."""
    if len(points) < 2:
        return ""
    highest = max(*points, 1e-12)
    step = width / (_SAMPLES - 1)
    first = width - step * (len(points) - 1)
    return " ".join(
        f"{first + step * n:.1f},{height - (height - 1) * max(0.0, point) / highest:.1f}"
        for n, point in enumerate(points)
    )


def _read(text: str) -> Iterator[tuple[str, Labels, float]]:
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if not sample.name.endswith(("_bucket", "_created")):
                    labels: Mapping[str, str] = sample.labels
                    yield sample.name, tuple(sorted(labels.items())), float(sample.value)
    except ValueError:
        return


def _rate(metric: Metric, labels: Labels, samples: deque[tuple[float, float]]) -> Figure:
    points = tuple(
        max(0.0, later - earlier) / max(1e-9, at - before)
        for (before, earlier), (at, later) in pairwise(samples)
    )
    per_second = f"{points[-1]:,.3g}/s · " if points else ""
    return Figure(metric, labels, f"{per_second}{samples[-1][1]:,.0f} in all", points)


def _mean(
    metric: Metric,
    labels: Labels,
    counts: deque[tuple[float, float]],
    sums: deque[tuple[float, float]],
) -> Figure:
    points = tuple(
        max(0.0, sum_ - sum_before) / max(1.0, count - count_before)
        for ((_, count_before), (_, sum_before)), ((_, count), (_, sum_)) in pairwise(
            zip(counts, sums, strict=False)
        )
    )
    count, total = counts[-1][1], sums[-1][1] if sums else 0.0
    mean = time_label(1_000 * total / count) if count else "none yet"
    return Figure(metric, labels, f"{mean} mean · {count:,.0f} in all", points)


def _gauge_label(metric: Metric, value: float) -> str:
    return time_label(1_000 * value) if metric.unit == "Seconds" else f"{value:,.4g}"
