"""Parquet objects below partitions of one UTC hour: `<root>/dt=2026-11-20/hour=10/<name>.parquet`.

Shared by the archive of readings and the lake of predictions. pyarrow works in threads, since it
lets go of the interpreter while it encodes.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from penstock.domain.ids import digest_id
from penstock.domain.time import DAY, HOUR, Micros, floor_to, from_micros
from penstock.gathering import gather_all
from penstock.ports import ObjectStore

TIME = pa.timestamp("us", tz="UTC")
SUFFIX = ".parquet"
CONTENT_TYPE = "application/vnd.apache.parquet"

_HOUR = "_hour"
_ROWS_PER_GROUP = 64 * 1024
_AT_ONCE = 8
"""Objects that one call moves at a time: enough to hide the round trips, few enough for memory."""


def partition(root: str, at: Micros) -> str:
    """Folder of the hour that holds `at`."""
    return f"{root}/{from_micros(at):dt=%Y-%m-%d/hour=%H}/"


def object_name(ids: Sequence[str]) -> str:
    """Name of the object that a batch of packs makes: a repeat of the batch overwrites it."""
    return digest_id(*sorted(set(ids)))


def by_hour(table: pa.Table, column: str, *, order: Sequence[str]) -> dict[Micros, pa.Table]:
    """Split a table into the hours of a time column, each sorted by the columns of `order`."""
    hours = pc.divide(table[column].cast(pa.int64()), HOUR)
    table = table.append_column(_HOUR, hours)
    table = table.sort_by([(name, "ascending") for name in (_HOUR, *order)])
    counts = pc.value_counts(table[_HOUR].combine_chunks())  # in order of appearance
    table = table.drop_columns(_HOUR)
    parts = {}
    start = 0
    for hour, count in zip(counts.field("values"), counts.field("counts"), strict=True):
        parts[Micros(hour.as_py() * HOUR)] = table.slice(start, count.as_py())
        start += count.as_py()
    return parts


async def write_hours(
    store: ObjectStore, root: str, tables: Mapping[Micros, pa.Table], *, name: str
) -> None:
    """Write each hour's table as one object; return when all are durable."""

    async def write(hour: Micros, table: pa.Table) -> None:
        body = await asyncio.to_thread(_encode, table)
        key = f"{partition(root, hour)}{name}{SUFFIX}"
        await store.put(key, body, content_type=CONTENT_TYPE)

    await gather_all([write(hour, table) for hour, table in tables.items()], at_once=_AT_ONCE)


async def read_hours(
    store: ObjectStore, root: str, *, since: Micros, until: Micros, rows: pc.Expression | None
) -> AsyncIterator[pa.Table]:
    """Read `[since, until)` hour by hour in order of time; only row groups that can match."""

    async def read(key: str) -> pa.Table:
        return await asyncio.to_thread(_decode, await store.get(key), rows)

    async for keys in _hours(store, root, since, until):
        yield pa.concat_tables(await gather_all([read(key) for key in keys], at_once=_AT_ONCE))


def between(column: str, since: Micros, until: Micros) -> pc.Expression:
    """Rows of `[since, until)`, told by the statistics of row groups too."""
    at = pc.field(column)
    return (at >= pa.scalar(since, TIME)) & (at < pa.scalar(until, TIME))


def texts(values: Collection[str]) -> pa.Array:
    """Values for an `isin`; none at all are still texts."""
    return pa.array(sorted(values), pa.string())


async def _hours(
    store: ObjectStore, root: str, since: Micros, until: Micros
) -> AsyncIterator[list[str]]:
    first = partition(root, since)
    for day in range(floor_to(since, DAY), until, DAY):
        folder = partition(root, Micros(day)).rpartition("hour=")[0]
        keys: dict[str, list[str]] = {}
        async for found in store.list(folder):
            hour = found.key.rpartition("/")[0] + "/"
            if found.key.endswith(SUFFIX) and first <= hour <= partition(root, Micros(until - 1)):
                keys.setdefault(hour, []).append(found.key)
        for hour in sorted(keys):
            yield keys[hour]


def _encode(table: pa.Table) -> bytes:
    body = io.BytesIO()
    pq.write_table(table, body, compression="zstd", row_group_size=_ROWS_PER_GROUP)
    return body.getvalue()


def _decode(body: bytes, rows: pc.Expression | None) -> pa.Table:
    return pq.read_table(pa.BufferReader(body), filters=rows)
