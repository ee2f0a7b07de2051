"""Metrics under the names of `penstock.metrics`."""

from collections.abc import Callable, Mapping

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, generate_latest

from penstock.metrics import BY_NAME, CounterName, GaugeName, HistogramName

_BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]
"""Histograms hold seconds: from a fast call to a slow batch."""


class Metrics:
    """The metrics of one process, through OpenTelemetry, shown in Prometheus' text format."""

    def __init__(self, service: str) -> None:
        """Open the meter; one per process."""
        # A registry of its own: two applications of one test process do not meet.
        self._registry = CollectorRegistry()
        self._reader = PrometheusMetricReader(
            disable_target_info=True, scope_info_enabled=False, registry=self._registry
        )
        resource = Resource.create({"service.name": service})
        self._provider = MeterProvider(resource=resource, metric_readers=[self._reader])
        self._meter = self._provider.get_meter("penstock")
        self._counters = {}  # type: ignore[var-annotated]
        self._histograms = {}  # type: ignore[var-annotated]
        self._gauges = {}  # type: ignore[var-annotated]

    def count(self, name: CounterName, amount: int = 1, **labels: str) -> None:
        """Raise a counter."""
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = self._meter.create_counter(
                f"penstock_{name}", description=BY_NAME[name].help
            )
        counter.add(amount, labels)

    def observe(self, name: HistogramName, value: float, **labels: str) -> None:
        """Add a value to a histogram."""
        histogram = self._histograms.get(name)
        if histogram is None:
            histogram = self._histograms[name] = self._meter.create_histogram(
                f"penstock_{name}",
                description=BY_NAME[name].help,
                explicit_bucket_boundaries_advisory=_BOUNDARIES,
            )
        histogram.record(value, labels)

    def gauge(self, name: GaugeName, value: float, **labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = self._meter.create_gauge(
                f"penstock_{name}", description=BY_NAME[name].help
            )
        gauge.set(value, labels)

    def count_from(self, name: CounterName, read: Callable[[], Mapping[str, int]]) -> None:
        """Show a counter that somebody else keeps, by outcome; `read` is called at every look."""

        def observe(_options: CallbackOptions) -> list[Observation]:
            return [Observation(amount, {"outcome": outcome}) for outcome, amount in read().items()]

        self._meter.create_observable_counter(
            f"penstock_{name}", callbacks=[observe], description=BY_NAME[name].help
        )

    def render(self) -> bytes:
        """Write all metrics as Prometheus reads them."""
        return generate_latest(self._registry)

    def close(self) -> None:
        """Stop the meter."""
        self._provider.shutdown()
