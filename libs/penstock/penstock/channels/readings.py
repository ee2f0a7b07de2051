"""Topic `readings`: packs of many readings of any gateways, and of the items that were refused."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count as counting
from typing import TypeVar

import msgspec

from penstock.channel import Channel, Envelope, Queue, Topic
from penstock.domain.ids import GatewayId, TagPath
from penstock.domain.readings import Quality, RawQuality, Reading, ReadingFlag, Reject, Value
from penstock.domain.readings import Sequence as SequenceReading
from penstock.domain.time import Micros
from penstock.packing import Packed, deltas, from_deltas, pack_columns, unpack_columns

V = TypeVar("V")

VERSION = 1
READINGS = "readings"
REJECTS = "rejects"


class ReadingColumns(msgspec.Struct, frozen=True, omit_defaults=True):
    """Readings by column.

    `tags` is the dictionary that `tag` points into: (position in `gateways`, path).
    Times are differences (see `packing.deltas`); an empty column means its default throughout.
    """

    gateways: list[str] = []
    tags: list[tuple[int, str]] = []
    tag: list[int] = []
    at: list[int] = []
    value: list[Value] = []
    accepted_at: list[int] = []
    quality: list[int] = []
    raw_quality: list[RawQuality] = []
    flags: list[int] = []
    sequences: list["SequenceRow"] = []


class SequenceRow(msgspec.Struct, frozen=True, array_like=True):
    """One sequence; `gateway` points into the dictionary."""

    gateway: int
    sensor: str
    model: str
    at: Micros
    data: list[float]
    accepted_at: Micros
    flags: int


class RejectRow(msgspec.Struct, frozen=True, array_like=True):
    """One refused item with the reason."""

    gateway: str
    request_id: str
    index: int
    reason: str
    item: str
    accepted_at: Micros


class RejectColumns(msgspec.Struct, frozen=True):
    """Rejects are few and wide: rows."""

    rejects: list[RejectRow] = []


class ReadingsMessage(Envelope, frozen=True, kw_only=True):
    """A pack of kind `readings`, `rejects` or `canary`."""

    data: Packed = Packed()


def to_columns(
    readings: Sequence[Reading], sequences: Sequence[SequenceReading] = ()
) -> ReadingColumns:
    """Turn readings and sequences into columns."""
    gateways: dict[str, int] = {}
    tags: dict[tuple[int, str], int] = {}
    tag_column = []
    for reading in readings:
        gateway = gateways.setdefault(reading.gateway_id, len(gateways))
        tag_column.append(tags.setdefault((gateway, reading.tag), len(tags)))
    rows = [
        SequenceRow(
            gateways.setdefault(s.gateway_id, len(gateways)),
            s.sensor, s.model, s.at, list(s.data), s.accepted_at, int(s.flags),
        )
        for s in sequences
    ]  # fmt: skip
    quality = [int(reading.quality) for reading in readings]
    raw_quality = [reading.raw_quality for reading in readings]
    flags = [int(reading.flags) for reading in readings]
    return ReadingColumns(
        gateways=list(gateways),
        tags=list(tags),
        tag=tag_column,
        at=deltas(reading.at for reading in readings),
        value=[reading.value for reading in readings],
        accepted_at=deltas(reading.accepted_at for reading in readings),
        quality=quality if any(quality) else [],
        raw_quality=raw_quality if any(raw is not None for raw in raw_quality) else [],
        flags=flags if any(flags) else [],
        sequences=rows,
    )


@dataclass(slots=True)
class ReadingBlock:
    """Readings of one gateway by column, accepted at one moment; an empty column is its default.

    What a door has in hand after judging: no row object is made on the way to the wire.
    """

    gateway_id: GatewayId
    accepted_at: Micros
    tags: list[str]
    at: list[int]
    value: list[Value]
    quality: list[int] = field(default_factory=list)
    raw_quality: list[RawQuality] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)

    def rows(self, start: int, stop: int) -> "ReadingBlock":
        """Cut some rows out."""
        if start == 0 and stop >= len(self.tags):
            return self
        cut = slice(start, stop)
        return ReadingBlock(
            self.gateway_id, self.accepted_at, self.tags[cut], self.at[cut], self.value[cut],
            self.quality[cut], self.raw_quality[cut], self.flags[cut],
        )  # fmt: skip

    def only(self, rows: list[int]) -> "ReadingBlock":
        """Pick some rows."""
        return ReadingBlock(
            self.gateway_id, self.accepted_at, _picked(self.tags, rows), _picked(self.at, rows),
            _picked(self.value, rows), _picked(self.quality, rows),
            _picked(self.raw_quality, rows), _picked(self.flags, rows),
        )  # fmt: skip


def _picked(column: list[V], rows: list[int]) -> list[V]:
    return [column[row] for row in rows] if column else []


def columns_of_blocks(blocks: Sequence[ReadingBlock]) -> ReadingColumns:
    """Join blocks into the columns of one pack."""
    next_number = counting().__next__
    numbers: dict[str, defaultdict[str, int]] = {}
    tag: list[int] = []
    at: list[int] = []
    value: list[Value] = []
    accepted_at: list[int] = []
    last_accepted_at = 0
    for block in blocks:
        paths = numbers.get(block.gateway_id)
        if paths is None:
            paths = numbers[block.gateway_id] = defaultdict(next_number)
        tag += map(paths.__getitem__, block.tags)
        at += block.at
        value += block.value
        if block.tags:
            # One moment for the whole block: its differences are known without computing them.
            accepted_at += [block.accepted_at - last_accepted_at, *[0] * (len(block.tags) - 1)]
            last_accepted_at = block.accepted_at
    return ReadingColumns(
        gateways=list(numbers),
        tags=_tags_in_order(numbers.values()),
        tag=tag,
        at=deltas(at),
        value=value,
        accepted_at=accepted_at,
        quality=_joined([(b.quality, len(b.tags)) for b in blocks], 0),
        raw_quality=_joined([(b.raw_quality, len(b.tags)) for b in blocks], None),
        flags=_joined([(b.flags, len(b.tags)) for b in blocks], 0),
    )


def _tags_in_order(numbers: Collection[dict[str, int]]) -> list[tuple[int, str]]:
    """The dictionary of tags from each gateway's positions in it."""
    tags = [(0, "")] * sum(map(len, numbers))
    for gateway, paths in enumerate(numbers):
        for path, number in paths.items():
            tags[number] = (gateway, path)
    return tags


def _joined(columns: Iterable[tuple[list[V], int]], default: V) -> list[V]:
    """Join columns that may each be left out; leave the whole out where all are."""
    parts = list(columns)
    if not any(column for column, _ in parts):
        return []
    joined: list[V] = []
    for column, count in parts:
        joined += column or [default] * count
    return joined


def reading_rows(
    columns: ReadingColumns,
) -> Iterator[tuple[int, int, int, Value, int, RawQuality, int]]:
    """Walk the readings of a pack without making objects.

    Each is (position in `tags`, at, accepted_at, value, quality, raw quality, flags).
    """
    count = len(columns.tag)
    zeros = [0] * count
    raw_quality: list[RawQuality] = columns.raw_quality or [None] * count
    return zip(
        columns.tag, from_deltas(columns.at), from_deltas(columns.accepted_at), columns.value,
        columns.quality or zeros, raw_quality, columns.flags or zeros, strict=True,
    )  # fmt: skip


def readings_of(columns: ReadingColumns) -> Iterator[Reading]:
    """Walk the readings of a pack."""
    keys = [(GatewayId(columns.gateways[g]), TagPath(path)) for g, path in columns.tags]
    for tag, at, accepted_at, value, worth, raw, flag in reading_rows(columns):
        gateway_id, path = keys[tag]
        yield Reading(
            gateway_id, path, Micros(at), value, Quality(worth), Micros(accepted_at), raw,
            ReadingFlag(flag),
        )  # fmt: skip


def sequences_of(columns: ReadingColumns) -> Iterator[SequenceReading]:
    """Walk the sequences of a pack."""
    for row in columns.sequences:
        yield SequenceReading(
            GatewayId(columns.gateways[row.gateway]), row.sensor, row.model, row.at,
            tuple(row.data), row.accepted_at, ReadingFlag(row.flags),
        )  # fmt: skip


def readings_message(
    columns: ReadingColumns, *, pack_id: str, created_at: Micros, trace: str = ""
) -> ReadingsMessage:
    """Make a pack of readings."""
    return ReadingsMessage(
        version=VERSION, id=pack_id, created_at=created_at, trace=trace, kind=READINGS,
        data=pack_columns(columns),
    )  # fmt: skip


def rejects_message(
    rejects: Sequence[Reject], *, pack_id: str, created_at: Micros, trace: str = ""
) -> ReadingsMessage:
    """Make a pack of rejects, for quarantine."""
    rows = [
        RejectRow(r.gateway_id, r.request_id, r.index, r.reason, r.item, r.accepted_at)
        for r in rejects
    ]
    return ReadingsMessage(
        version=VERSION, id=pack_id, created_at=created_at, trace=trace, kind=REJECTS,
        data=pack_columns(RejectColumns(rows)),
    )  # fmt: skip


def reading_columns(message: ReadingsMessage) -> ReadingColumns:
    """Open a pack of kind `readings`; raise MalformedPayload."""
    return unpack_columns(message.data, ReadingColumns)


def rejects_of(message: ReadingsMessage) -> Iterator[Reject]:
    """Walk the rejects of a pack of kind `rejects`."""
    for row in unpack_columns(message.data, RejectColumns).rejects:
        yield Reject(
            GatewayId(row.gateway), row.request_id, row.index, row.reason, row.item,
            row.accepted_at,
        )  # fmt: skip


def _worst_case() -> ReadingsMessage:
    reject = Reject(GatewayId("g" * 64), "r" * 26, 10_000, "x" * 200, "ü" * 2_000, Micros(2**53))
    return rejects_message(
        [reject] * 10, pack_id="p" * 26, created_at=Micros(2**53), trace="t" * 55
    )


CHANNEL = Channel(
    name="readings",
    carrier=Topic(
        "readings",
        subscribers=(
            Queue("inference", visibility_seconds=60),
            Queue("archive", visibility_seconds=120),
        ),
    ),
    message=ReadingsMessage,
    version=VERSION,
    worst_case=_worst_case,
)
