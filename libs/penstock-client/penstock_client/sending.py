"""Send a CSV file as a gateway would: in batches, at any speed, with progress."""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from penstock_client.csv_rows import CsvRow
from penstock_client.gateway import GatewaySender, compact_payload, sequences_payload

T = TypeVar("T")
OnSent = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class SequenceOptions:
    """Rows as sliding windows of one column, for a model by name."""

    column: str
    sensor: str
    model: str
    window: int


class Pace:
    """Keeps event time and real time in step: `speed` 1 is real time, 0 as fast as it goes."""

    def __init__(self, speed: float, *, wait: Callable[[float], None] = time.sleep) -> None:
        """Start with the first row."""
        self._speed = speed
        self._wait = wait
        self._origin: tuple[float, float] | None = None

    def hold(self, row: CsvRow) -> None:
        """Wait until the row is due."""
        if self._speed <= 0:
            return
        at = row.at.timestamp()
        if self._origin is None:
            self._origin = (at, time.monotonic())
        event_origin, real_origin = self._origin
        ahead = (at - event_origin) / self._speed - (time.monotonic() - real_origin)
        if ahead > 0:
            self._wait(ahead)


def send_readings(
    rows: Iterable[CsvRow],
    sender: GatewaySender,
    *,
    prefix: str,
    batch: int,
    pace: Pace,
    on_sent: OnSent,
) -> None:
    """Send rows as readings in N3uron's compact shape, `batch` rows a request."""
    for group in _batched(rows, batch):
        pace.hold(group[-1])
        sender.send(compact_payload(group, prefix))
        on_sent(len(group))


def send_sequences(
    rows: Iterable[CsvRow],
    sender: GatewaySender,
    *,
    options: SequenceOptions,
    batch: int,
    pace: Pace,
    on_sent: OnSent,
) -> None:
    """Send each window of rows as one sequence, `batch` sequences a request.

    The first `window - 1` rows only fill the first window.
    """
    for group in _batched(_windows(rows, options.window), batch):
        pace.hold(group[-1][-1])
        payload = sequences_payload(
            group, column=options.column, sensor=options.sensor, model=options.model
        )
        sender.send(payload)
        on_sent(len(group))


def _windows(rows: Iterable[CsvRow], size: int) -> Iterator[tuple[CsvRow, ...]]:
    window: deque[CsvRow] = deque(maxlen=size)
    for row in rows:
        window.append(row)
        if len(window) == size:
            yield tuple(window)


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
