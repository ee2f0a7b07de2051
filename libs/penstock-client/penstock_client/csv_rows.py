"""A CSV file as a gateway would tell it: each row a time, each column a tag."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

Number = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """How a file is read.

    A file has a `time_column`, or row i is at `start + i * step`; columns become tags below
    `prefix`; `rows` is a half-open range of row numbers. A time without a zone is in UTC.
    """

    prefix: str
    time_column: str | None = None
    start: datetime | None = None
    step: timedelta = timedelta(seconds=1)
    exclude: tuple[str, ...] = ()
    rows: tuple[int, int | None] = (0, None)


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row: its number in the file, its time and its values by column."""

    number: int
    at: datetime
    values: dict[str, Number]


def read_rows(path: Path, options: CsvOptions) -> Iterator[CsvRow]:
    """Walk the rows asked for; raise ValueError naming the line and what to change."""
    first, last = options.rows
    # utf-8-sig: spreadsheets write a byte-order mark, which is no part of the first column's name.
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = _columns(path, reader.fieldnames, options)
        for number, row in enumerate(reader):
            if number < first:
                continue
            if last is not None and number >= last:
                return
            values = {column: parse_value(row[column]) for column in columns}
            yield CsvRow(number, _time_of(path, number, row, options), values)


def count_rows(path: Path, options: CsvOptions) -> int:
    """Count the rows that `read_rows` will walk."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        total = sum(1 for _ in csv.reader(file)) - 1
    first, last = options.rows
    return max(0, min(total, last if last is not None else total) - first)


def tag_of(prefix: str, column: str) -> str:
    """Tag path of a column."""
    return f"{prefix.rstrip('/')}/{column}"


def parse_value(text: str | None) -> Number:
    """Read a field: empty and NA are null, numbers are numbers, the rest is text."""
    if text is None or text.strip() in {"", "NA", "NaN", "nan", "null"}:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip()


def _columns(path: Path, found: Sequence[str] | None, options: CsvOptions) -> list[str]:
    if not found:
        raise ValueError(f"{path} is empty")
    named = {*options.exclude, *([options.time_column] if options.time_column else [])}
    missing = sorted(named - set(found))
    if missing:
        raise ValueError(f"{path} has no column {', '.join(missing)}; it has {', '.join(found)}")
    if options.time_column is None and options.start is None:
        raise ValueError(f"{path}: name its --time-column, or give --start and --step")
    return [column for column in found if column not in named]


def _time_of(path: Path, number: int, row: dict[str, str], options: CsvOptions) -> datetime:
    if options.time_column is None:
        return (options.start or datetime.now(UTC)) + number * options.step
    try:
        at = datetime.fromisoformat(row[options.time_column])
    except ValueError as error:
        raise ValueError(f"{path}, line {number + 2}: {error}") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
