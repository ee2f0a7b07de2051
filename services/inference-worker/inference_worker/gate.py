"""How much an endpoint bears: concurrency that adapts, and a breaker. Decides; never waits."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GateLimits:
    """What an endpoint may be asked at most, and when it counts as broken."""

    calls: int = 16
    rows: int = 512
    failures_in_a_row: int = 5
    refusals_in_a_row: int = 10
    shortest_pause_seconds: float = 1.0
    longest_pause_seconds: float = 15.0


class Gate:
    """One endpoint's health as its answers tell it.

    Closed, it admits calls up to a limit that rises by one per round of successes and falls by
    half with a failure. Open, it admits none until its pause is over; then one probe at a time.
    """

    def __init__(
        self,
        limits: GateLimits,
        *,
        now: Callable[[], float],
        jitter: random.Random,
    ) -> None:
        """Start closed, at a quarter of the limit."""
        self._limits = limits
        self._now = now
        self._jitter = jitter
        self._calls = max(1.0, limits.calls / 4)
        self._rows = limits.rows
        self._failures = 0
        self._refusals = 0
        self._breaks = 0
        self._open_until: float | None = None
        self._is_probing = False

    @property
    def most_calls(self) -> int:
        """Calls that may be in flight now."""
        return int(self._calls)

    @property
    def most_rows(self) -> int:
        """Rows that one call may carry now."""
        return self._rows

    @property
    def is_open(self) -> bool:
        """Whether asking is pointless now."""
        return self._open_until is not None and self._now() < self._open_until

    @property
    def is_closed(self) -> bool:
        """Whether the endpoint is believed to be well."""
        return self._open_until is None

    @property
    def seconds_to_probe(self) -> float:
        """How long until asking makes sense again."""
        return max(0.0, (self._open_until or 0.0) - self._now())

    def admits(self, in_flight: int) -> bool:
        """Whether one more call may start beside those in flight."""
        if self._open_until is None:
            return in_flight < self.most_calls
        return not self.is_open and not self._is_probing

    def started(self) -> None:
        """A call goes out."""
        self._is_probing = self._open_until is not None

    def ended(self) -> None:
        """A call is over, however it went."""
        self._is_probing = False

    def succeeded(self) -> None:
        """The endpoint answered what it should."""
        self._close()
        self._refusals = 0
        self._breaks = 0
        self._calls = min(float(self._limits.calls), self._calls + 1 / self._calls)
        self._rows = min(self._limits.rows, self._rows + 1)

    def refused(self, rows: int) -> bool:
        """The endpoint lives but refused rows; tell whether that many mean that it is broken."""
        self._refusals += rows
        if self._refusals <= self._limits.refusals_in_a_row:
            self._close()
            return False
        self.broke()
        return True

    def throttled(self) -> None:
        """The endpoint is well, and asks for less."""
        self._calls = max(1.0, self._calls / 2)

    def failed(self) -> None:
        """The endpoint did not answer, or answered garbage."""
        self._failures += 1
        self._calls = max(1.0, self._calls / 2)
        if self._open_until is not None or self._failures >= self._limits.failures_in_a_row:
            self.broke()

    def broke(self, *, fewer_rows: bool = False) -> None:
        """Open for a pause, longer each time in a row; many that tell it at once count once."""
        if fewer_rows:
            self._rows = max(1, self._rows // 4)
        if self.is_open:
            return
        self._failures = 0
        pause = min(
            self._limits.shortest_pause_seconds * 2**self._breaks,
            self._limits.longest_pause_seconds,
        )
        self._breaks = min(self._breaks + 1, 16)
        self._open_until = self._now() + pause * self._jitter.uniform(0.75, 1.25)

    def _close(self) -> None:
        self._failures = 0
        self._open_until = None
