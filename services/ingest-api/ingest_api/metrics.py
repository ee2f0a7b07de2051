"""Counters that cost next to nothing per request: summed here, handed on when somebody looks."""

from collections import Counter

from penstock.metrics import CounterName
from penstock.runtime.telemetry import Metrics


class TalliedMetrics(Metrics):
    """Metrics whose counters are added up between two renderings.

    An OpenTelemetry counter takes longer than judging a dozen readings.
    """

    def __init__(self, service: str) -> None:
        """Start at zero."""
        super().__init__(service)
        self._tally: Counter[tuple[CounterName, tuple[tuple[str, str], ...]]] = Counter()

    def count(self, name: CounterName, amount: int = 1, **labels: str) -> None:
        """Raise a counter."""
        self._tally[name, tuple(labels.items())] += amount

    def render(self) -> bytes:
        """Hand on what was added up, then write all metrics as Prometheus reads them."""
        tally, self._tally = self._tally, Counter()
        for (name, labels), amount in tally.items():
            super().count(name, amount, **dict(labels))
        return super().render()
