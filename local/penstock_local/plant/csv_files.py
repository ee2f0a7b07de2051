"""CSV files as a history: a column is a tag, a row is a time.

The time of a row comes from a column named as one of TIME_COLUMNS, else from columns year, month,
day (and hour, minute, second), else it is start + row * step.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from penstock_local.plant.noise import Times
from penstock_local.plant.samples import BAD, GOOD, Samples, parse_time

TIME_COLUMNS = ("timestamp", "time", "datetime", "date", "ts", "at")
PARTS = ("year", "month", "day", "hour", "minute", "second")
MISSING = frozenset(["", "na", "n/a", "nan", "null", "none"])

_INTEGER = re.compile(r"[+-]?\d{1,18}")


@dataclass(frozen=True, slots=True)
class CsvReading:
    """How files without a time column get one, and what their tags begin with."""

    start_ms: int = 1_767_225_600_000  # 2026-01-01
    step_ms: int = 60_000
    asset_prefix: str | None = None
    """Without one, the name of the file in capitals: ai4i2020.csv gives /AI4I2020."""


@dataclass(frozen=True, slots=True, eq=False)
class CsvHistory:
    """One file, read whole."""

    columns: Mapping[str, Samples]

    def tags(self) -> list[str]:
        return list(self.columns)

    def read(self, tags: Sequence[str], start_ms: int, end_ms: int) -> list[Samples]:
        return [_between(self.columns[tag], start_ms, end_ms) for tag in tags]


def read_csv(path: Path, reading: CsvReading) -> CsvHistory:
    """Read a file with a header; a byte-order mark is no part of the first name."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        names = [name.strip() for name in next(rows, [])]
        table = [row for row in rows if row]
    cells = dict(zip(names, zip(*table, strict=True), strict=False)) if table else {}
    times, used = _row_times(cells, len(table), reading)
    order = np.argsort(times, kind="stable")
    prefix = asset_prefix(path, reading)
    columns = [
        _column(tag_of(prefix, name), times[order], _values(column)[order])
        for name, column in cells.items()
        if name not in used
    ]
    return CsvHistory({column.tag: column for column in columns})


def asset_prefix(path: Path, reading: CsvReading) -> str:
    return "/" + (reading.asset_prefix or path.stem.upper()).strip("/")


def tag_of(prefix: str, column: str) -> str:
    """Return a column's tag: its name as it is, but for a slash, which would look like a level."""
    return f"{prefix}/{column.replace('/', '_')}"


def _row_times(
    cells: Mapping[str, Sequence[str]], count: int, reading: CsvReading
) -> tuple[Times, set[str]]:
    """Return each row's time, and the columns that it was made from."""
    by_lower = {name.lower(): name for name in cells}
    for candidate in TIME_COLUMNS:
        if candidate in by_lower:
            name = by_lower[candidate]
            return np.array([parse_time(text) for text in cells[name]], np.int64), {name}
    if all(part in by_lower for part in PARTS[:3]):
        used = [by_lower[part] for part in PARTS if part in by_lower]
        parts = zip(*(cells[name] for name in used), strict=True)
        stamps = [datetime(*map(int, row), tzinfo=UTC).timestamp() for row in parts]  # type: ignore[misc,arg-type]  # three to six numbers
        return (np.array(stamps) * 1000).astype(np.int64), set(used)
    return reading.start_ms + np.arange(count, dtype=np.int64) * reading.step_ms, set()


def _values(column: Sequence[str]) -> "np.ndarray[Any, np.dtype[np.object_]]":
    values = np.empty(len(column), object)
    values[:] = [_value(text) for text in column]
    return values


def _value(text: str) -> float | int | str | None:
    text = text.strip()
    if text.lower() in MISSING:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text


def _column(tag: str, times: Times, values: "np.ndarray[Any, Any]") -> Samples:
    # A missing value stands in the history as a bad one, as an outage does.
    quality = np.array([BAD if value is None else GOOD for value in values], np.int64)
    return Samples(tag, times, values, quality)


def _between(samples: Samples, start_ms: int, end_ms: int) -> Samples:
    first, last = np.searchsorted(samples.times, [start_ms, end_ms])
    part = slice(int(first), int(last))
    return Samples(samples.tag, samples.times[part], samples.values[part], samples.quality[part])
