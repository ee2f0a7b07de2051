"""The archive: every accepted reading and sequence as Parquet by event time, every reject as JSON.

It is what late frames, replays and audits read. Objects are named by the packs that they hold, so
a repeated batch overwrites; packs that come again in another batch stand in two objects, and
reading keeps of each reading the one that was accepted last.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from functools import reduce
from operator import or_

import msgspec
import pyarrow.compute as pc

from penstock.adapters import parquet
from penstock.adapters.archive_rows import (
    OpenedPack,
    newest_readings,
    newest_sequences,
    open_pack,
    readings_by_hour,
    sequences_by_hour,
)
from penstock.adapters.parquet import between, texts
from penstock.domain.ids import GatewayId, TagPath
from penstock.domain.readings import Reading
from penstock.domain.readings import Sequence as SequenceReading
from penstock.domain.time import Micros
from penstock.ports import ObjectStore

__all__ = ["OpenedPack", "ReadingsArchive", "open_pack"]

READINGS_ROOT = "readings"
SEQUENCES_ROOT = "sequences"
QUARANTINE_ROOT = "quarantine"


class ReadingsArchive:
    """Writes packs and reads readings back."""

    def __init__(self, store: ObjectStore) -> None:
        """Keep the bucket."""
        self._store = store

    async def write(self, packs: Sequence[OpenedPack]) -> None:
        """Make every row of the packs durable."""
        name = parquet.object_name([pack.pack_id for pack in packs])
        readings = await asyncio.to_thread(readings_by_hour, packs)
        await parquet.write_hours(self._store, READINGS_ROOT, readings, name=name)
        sequences = await asyncio.to_thread(sequences_by_hour, packs)
        await parquet.write_hours(self._store, SEQUENCES_ROOT, sequences, name=name)
        for pack in packs:
            if pack.rejects:
                await self._write_rejects(pack)

    async def _write_rejects(self, pack: OpenedPack) -> None:
        lines = b"".join(msgspec.json.encode(reject) + b"\n" for reject in pack.rejects)
        key = f"{parquet.partition(QUARANTINE_ROOT, pack.created_at)}{pack.pack_id}.jsonl"
        await self._store.put(key, lines, content_type="application/x-ndjson")

    async def read(
        self,
        since: Micros,
        until: Micros,
        *,
        tags: Collection[tuple[GatewayId | None, TagPath]] = (),
        prefixes: Collection[TagPath] = (),
    ) -> list[Reading]:
        """Read `[since, until)` of the tags, and of all tags below the prefixes.

        A tag without a gateway is read of any gateway.
        Each reading comes once, as it was accepted last; tags stand together, in order of time
        within an hour.
        """
        hours = self.read_by_hour(since, until, tags=tags, prefixes=prefixes)
        return [reading async for hour in hours for reading in hour]

    async def read_by_hour(
        self,
        since: Micros,
        until: Micros,
        *,
        tags: Collection[tuple[GatewayId | None, TagPath]] = (),
        prefixes: Collection[TagPath] = (),
    ) -> AsyncIterator[list[Reading]]:
        """Read like `read`, one hour at a time in order: long ranges in little memory."""
        rows = between("at", since, until) & _any_of(tags, prefixes)
        tables = parquet.read_hours(self._store, READINGS_ROOT, since=since, until=until, rows=rows)
        wanted = frozenset(tags)
        of_any_gateway = {path for gateway_id, path in tags if gateway_id is None}
        below = tuple(f"{prefix}/" for prefix in prefixes)
        async for table in tables:
            readings = await asyncio.to_thread(newest_readings, table)
            yield [
                reading
                for reading in readings
                if (reading.gateway_id, reading.tag) in wanted
                or reading.tag in of_any_gateway
                or reading.tag.startswith(below)
            ]

    async def read_sequences(
        self, since: Micros, until: Micros, *, sensors: Collection[str]
    ) -> list[SequenceReading]:
        """Read `[since, until)` of the sensors' sequences, each as it was accepted last."""
        rows = between("at", since, until) & pc.field("sensor").isin(texts(sensors))
        tables = parquet.read_hours(
            self._store, SEQUENCES_ROOT, since=since, until=until, rows=rows
        )
        return [sequence async for table in tables for sequence in newest_sequences(table)]


def _any_of(
    tags: Collection[tuple[GatewayId | None, TagPath]], prefixes: Collection[TagPath]
) -> pc.Expression:
    tag = pc.field("tag")
    # As ranges, so that statistics of a row group tell: "0" is the character after "/".
    below = [(tag >= f"{prefix}/") & (tag < f"{prefix}0") for prefix in prefixes]
    return reduce(or_, below, tag.isin(texts({path for _, path in tags})))
