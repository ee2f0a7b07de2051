"""What a gateway says that it sent: the only thing that the checker believes.

A log has one JSON line per request: `status`, `answer`, and `readings`, each with tag, value,
quality and at. A sequence is a reading whose value is a list.
"""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class SentReading:
    """One reading that was answered as accepted; `at` in microseconds since 1970, UTC."""

    tag: str
    at: int
    value: Any
    is_bad: bool


@dataclass(frozen=True, slots=True)
class SentSequence:
    """One sequence that was answered as accepted."""

    sensor: str
    at: int
    data: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """All that was accepted, and how many items were not, by reason."""

    readings: list[SentReading]
    sequences: list[SentSequence]
    rejected: dict[str, int]


def read_logs(paths: Iterable[Path]) -> Sent:
    """Read logs; raise ValueError where a line does not say what became of each reading."""
    sent = Sent([], [], {})
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            entry = json.loads(line)
            if 200 <= (entry.get("status") or 0) < 300:
                _take(entry, sent, f"{path.name}:{number}")
    return sent


def _take(entry: dict[str, Any], sent: Sent, where: str) -> None:
    answer = entry["answer"]
    refused = {item["index"] for item in answer.get("rejected", [])}
    if answer.get("rejected_count", 0) != len(refused):
        raise ValueError(f"{where}: more items were rejected than the answer lists")
    for reason, count in answer.get("by_reason", {}).items():
        sent.rejected[reason] = sent.rejected.get(reason, 0) + count
    for index, item in enumerate(entry["readings"]):
        if index in refused:
            continue
        at = micros(item["at"])
        if isinstance(item["value"], list):
            data = tuple(float(number) for number in item["value"])
            sent.sequences.append(SentSequence(item["tag"], at, data))
        else:
            sent.readings.append(
                SentReading(item["tag"], at, item["value"], _is_bad(item.get("quality")))
            )


def _is_bad(quality: object) -> bool:
    # OPC's classes, as N3uron sends them; the checker knows no other scheme.
    return isinstance(quality, int) and not isinstance(quality, bool) and (quality & 0xC0) == 0


def micros(text: str) -> int:
    """Read an ISO time with zone as microseconds since 1970."""
    at = datetime.fromisoformat(text)
    return round(at.timestamp() * 1_000_000)


def numbers(values: Iterable[Any]) -> Iterator[float]:
    """Turn values into numbers; what has none is NaN."""
    for value in values:
        is_number = isinstance(value, bool | int | float)
        yield float(value) if is_number else math.nan
