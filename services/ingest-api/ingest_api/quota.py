"""Token buckets: what a gateway may send per second, enforced by each process for its share."""

from penstock.gateways import QuotaBody

BURST_SECONDS = 10.0
"""A gateway may send as much at once as in that time: scans come in bursts."""


class Bucket:
    """A bucket that may go into debt: a large body passes, and the next ones wait for it."""

    def __init__(self, rate: float, *, now: float) -> None:
        """Start full; a rate of 0 never runs dry."""
        self._rate = rate
        self._level = rate * BURST_SECONDS
        self._filled_at = now

    def wait_seconds(self, now: float) -> float:
        """How long until something may be taken; 0 where it may be now."""
        if not self._rate:
            return 0.0
        self._fill(now)
        return 0.0 if self._level > 0 else (1 - self._level) / self._rate

    def take(self, amount: float, now: float) -> None:
        """Take, into debt if need be."""
        if self._rate:
            self._fill(now)
            self._level -= amount

    def _fill(self, now: float) -> None:
        grown = self._level + (now - self._filled_at) * self._rate
        self._level = min(grown, self._rate * BURST_SECONDS)
        self._filled_at = now


class Quota:
    """The two buckets of one gateway in one process."""

    def __init__(self, settings: QuotaBody, *, share: float, now: float) -> None:
        """Start full; `share` is this process's part of the whole quota."""
        self._readings = Bucket(settings.readings_per_second * share, now=now)
        self._bytes = Bucket(settings.bytes_per_second * share, now=now)

    def wait_seconds(self, now: float) -> float:
        """How long the gateway must wait; 0 where it is within its quota."""
        return max(self._readings.wait_seconds(now), self._bytes.wait_seconds(now))

    def take_readings(self, count: int, now: float) -> None:
        """Count readings that were sent."""
        self._readings.take(count, now)

    def take_bytes(self, size: int, now: float) -> None:
        """Count bytes that were sent."""
        self._bytes.take(size, now)
