"""What a row of the archive is: its columns, and the ways from packs and back to readings."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from typing import Any

import pyarrow as pa

from penstock.adapters import parquet
from penstock.adapters.parquet import TIME
from penstock.channels.readings import (
    READINGS,
    REJECTS,
    ReadingColumns,
    ReadingsMessage,
    reading_columns,
    rejects_of,
)
from penstock.domain.errors import MalformedPayload
from penstock.domain.ids import GatewayId, PackId, TagPath
from penstock.domain.readings import Quality, Reading, ReadingFlag, Reject, Value
from penstock.domain.readings import Sequence as SequenceReading
from penstock.domain.time import Micros, to_micros

_SHARED = [("accepted_at", TIME), ("pack_id", pa.string())]
READINGS_SCHEMA = pa.schema(
    [
        ("gateway_id", pa.string()),
        ("tag", pa.string()),
        ("at", TIME),
        ("value", pa.float64()),
        ("text", pa.string()),
        ("kind", pa.int8()),
        ("quality", pa.int8()),
        ("raw_quality", pa.string()),
        ("flags", pa.int32()),
        *_SHARED,
    ]
)
"""`kind` tells what the value was: 0 null, 1 number, 2 bool (0 or 1 in `value`), 3 `text`."""
SEQUENCES_SCHEMA = pa.schema(
    [
        ("gateway_id", pa.string()),
        ("sensor", pa.string()),
        ("model", pa.string()),
        ("at", TIME),
        ("data", pa.list_(pa.float64())),
        ("flags", pa.int32()),
        *_SHARED,
    ]
)

_NULL, _NUMBER, _BOOL, _TEXT = range(4)
_KINDS = {type(None): _NULL, int: _NUMBER, float: _NUMBER, bool: _BOOL, str: _TEXT}
_READING_ORDER = ("gateway_id", "tag", "at", "accepted_at", "pack_id")
_SEQUENCE_ORDER = ("gateway_id", "sensor", "model", "at", "accepted_at", "pack_id")
_EARLIEST = Micros(0)
_LATEST = to_micros(datetime(9999, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class OpenedPack:
    """A pack that was found whole, ready to be written."""

    pack_id: PackId
    created_at: Micros
    columns: ReadingColumns = field(default_factory=ReadingColumns)
    rejects: tuple[Reject, ...] = ()

    @property
    def size(self) -> int:
        """How many rows it makes; a sequence weighs as much as its numbers."""
        numbers = sum(1 + len(row.data) for row in self.columns.sequences)
        return len(self.columns.tag) + numbers + len(self.rejects)

    @property
    def tags(self) -> Iterator[tuple[GatewayId, TagPath, Value]]:
        """Every tag of the pack with its last value."""
        last = dict(zip(self.columns.tag, self.columns.value, strict=True))
        for position, value in last.items():
            gateway, path = self.columns.tags[position]
            yield GatewayId(self.columns.gateways[gateway]), TagPath(path), value


def open_pack(message: ReadingsMessage) -> OpenedPack:
    """Decode a pack and prove that it can be written; raise MalformedPayload."""
    pack_id = PackId(message.id)
    if message.kind == REJECTS:
        return OpenedPack(pack_id, message.created_at, rejects=tuple(rejects_of(message)))
    if message.kind != READINGS:
        raise MalformedPayload(f"pack {pack_id}: the archive knows no kind {message.kind!r}")
    columns = reading_columns(message)
    fault = _fault(columns)
    if fault:
        raise MalformedPayload(f"pack {pack_id}: {fault}")
    return OpenedPack(pack_id, message.created_at, columns)


def _fault(columns: ReadingColumns) -> str | None:
    count = len(columns.tag)
    if {len(columns.at), len(columns.value), len(columns.accepted_at)} != {count}:
        return "its columns are of different lengths"
    optional = (columns.quality, columns.raw_quality, columns.flags)
    if {len(column) for column in optional} - {0, count}:
        return "its columns are of different lengths"
    gateways = [gateway for gateway, _ in columns.tags] + [s.gateway for s in columns.sequences]
    if not _all_within(columns.tag, len(columns.tags)):
        return "a reading points at no tag"
    if not _all_within(gateways, len(columns.gateways)):
        return "a tag or sequence points at no gateway"
    times = [*accumulate(columns.at), *accumulate(columns.accepted_at)]
    times += [time for row in columns.sequences for time in (row.at, row.accepted_at)]
    if times and not (min(times) >= _EARLIEST and max(times) < _LATEST):
        return "a time is not between the years 1970 and 9999"
    return None


def _all_within(positions: Collection[int], count: int) -> bool:
    return not positions or (min(positions) >= 0 and max(positions) < count)


def readings_by_hour(packs: Sequence[OpenedPack]) -> dict[Micros, pa.Table]:
    """Make the table of each hour that the packs have readings of."""
    tables = [_readings_table(pack) for pack in packs if pack.columns.tag]
    if not tables:
        return {}
    return parquet.by_hour(pa.concat_tables(tables), "at", order=_READING_ORDER)


def _readings_table(pack: OpenedPack) -> pa.Table:
    # Column by column: a dictionary of tags is looked up once per tag, not once per reading.
    columns = pack.columns
    count = len(columns.tag)
    tag = pa.array(columns.tag, pa.int32())
    gateways = pa.array([columns.gateways[gateway] for gateway, _ in columns.tags], pa.string())
    paths = pa.array([path for _, path in columns.tags], pa.string())
    zeros = [0] * count
    raw = columns.raw_quality or [None] * count
    arrays = [
        gateways.take(tag),
        paths.take(tag),
        pa.array(list(accumulate(columns.at)), pa.int64()).cast(TIME),
        pa.array([_as_double(value) for value in columns.value], pa.float64()),
        pa.array([v if isinstance(v, str) else None for v in columns.value], pa.string()),
        pa.array([_KINDS[type(value)] for value in columns.value], pa.int8()),
        pa.array(columns.quality or zeros, pa.int8()),
        pa.array([None if value is None else str(value) for value in raw], pa.string()),
        pa.array(columns.flags or zeros, pa.int32()),
        pa.array(list(accumulate(columns.accepted_at)), pa.int64()).cast(TIME),
        pa.array([pack.pack_id] * count, pa.string()),
    ]
    return pa.Table.from_arrays(arrays, schema=READINGS_SCHEMA)


def _as_double(value: Value) -> float | None:
    if value is None or isinstance(value, str):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def sequences_by_hour(packs: Sequence[OpenedPack]) -> dict[Micros, pa.Table]:
    """Make the table of each hour that the packs have sequences of."""
    rows = [
        {
            "gateway_id": pack.columns.gateways[row.gateway],
            "sensor": row.sensor,
            "model": row.model,
            "at": row.at,
            "data": row.data,
            "flags": row.flags,
            "accepted_at": row.accepted_at,
            "pack_id": pack.pack_id,
        }
        for pack in packs
        for row in pack.columns.sequences
    ]
    if not rows:
        return {}
    table = pa.Table.from_pylist(rows, schema=SEQUENCES_SCHEMA)
    return parquet.by_hour(table, "at", order=_SEQUENCE_ORDER)


def newest_readings(table: pa.Table) -> list[Reading]:
    """Turn rows into readings: of those with one identity the one that was accepted last."""
    readings = [
        Reading(
            GatewayId(row["gateway_id"]), TagPath(row["tag"]), Micros(row["at"]), _value(row),
            Quality(row["quality"]), Micros(row["accepted_at"]), row["raw_quality"],
            ReadingFlag(row["flags"]),
        )
        for row in _sorted_rows(table, _READING_ORDER)
    ]  # fmt: skip
    ends = pairwise([*readings, None])
    return [this for this, after in ends if this and not (after and _is_same(this, after))]


def _is_same(one: Reading, other: Reading) -> bool:
    return (one.at, one.tag, one.gateway_id) == (other.at, other.tag, other.gateway_id)


def _value(row: dict[str, Any]) -> Value:
    match row["kind"]:
        case 1:
            return float(row["value"])
        case 2:
            return bool(row["value"])
        case 3:
            return str(row["text"])
        case _:
            return None


def newest_sequences(table: pa.Table) -> list[SequenceReading]:
    """Turn rows into sequences: of those with one identity the one that was accepted last."""
    newest = {
        (row["gateway_id"], row["sensor"], row["model"], row["at"]): SequenceReading(
            GatewayId(row["gateway_id"]), row["sensor"], row["model"], Micros(row["at"]),
            tuple(row["data"]), Micros(row["accepted_at"]), ReadingFlag(row["flags"]),
        )
        for row in _sorted_rows(table, _SEQUENCE_ORDER)
    }  # fmt: skip
    return list(newest.values())


def _sorted_rows(table: pa.Table, order: Sequence[str]) -> list[dict[str, Any]]:
    table = table.sort_by([(name, "ascending") for name in order])
    for name in ("at", "accepted_at"):
        column = table[name].cast(pa.int64())
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return list(table.to_pylist())
