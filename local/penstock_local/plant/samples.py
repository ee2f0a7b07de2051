"""Recorded values: the form in which the plant and the CSV files hand them on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from penstock_local.plant.noise import Times

# OPC codes, as N3uron is thought to send them.
GOOD, UNCERTAIN, BAD = 192, 64, 0


@dataclass(frozen=True, slots=True)
class Samples:
    """Recorded values of one tag, oldest first; numbers, text or None."""

    tag: str
    times: Times
    values: npt.NDArray[Any]
    quality: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.times)


class History(Protocol):
    """What can be asked for the past of some tags."""

    def tags(self) -> list[str]: ...

    def read(self, tags: Sequence[str], start_ms: int, end_ms: int) -> list[Samples]:
        """Return one entry per tag for times in [start, end); raises KeyError for unknown tags."""


def iso_time(time_ms: int) -> str:
    """Write a time as `2026-11-20T10:00:00.250Z`."""
    text = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def parse_time(text: str) -> int:
    """Read ISO 8601, in UTC where it names no zone, or epoch milliseconds; raises ValueError."""
    text = text.strip()
    if text.lstrip("-").isdigit():
        return int(text)
    if "T" in text:
        text = text.replace(" ", "+")  # in a query, a plus sign that was not quoted
    at = datetime.fromisoformat(text)
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
