"""Aurora: rows for applications and for people who ask in SQL."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date

import psycopg
from penstock.adapters import aurora, tables
from penstock.adapters.aurora import Connection, Pool
from penstock.channels.predictions import PredictionPack
from penstock.domain.errors import InvalidInput, StoreUnavailable
from penstock.domain.predictions import Prediction
from penstock.domain.time import DAY, Micros, from_micros
from penstock.ports import Clock, WriteReport
from sqlalchemy import select, tuple_

from results_writer.aurora_batch import AuroraBatch
from results_writer.aurora_look import find_kept
from results_writer.aurora_rows import (
    COPY,
    COPY_INCOMING,
    MAKE_INCOMING,
    MERGE_INCOMING,
    SELECT_GREATER,
    from_view,
    greater_of,
)
from results_writer.aurora_wire import Key, origin_fields, to_copy
from results_writer.batch import Batch
from results_writer.dimensions import Dimensions
from results_writer.settings import Settings
from results_writer.sink import SinkPlugin, SinkResources
from results_writer.triage import Identity, Precedence

_DAYS_AHEAD = 2
_IDENTITIES_PER_STATEMENT = 2_000
_LONGEST_CAUTION = 16


class AuroraSink:
    """Copies batches straight in; looks first which rows are there once a copy has met some.

    A copy that fails costs its rows once more, so while copies fail it looks before ever more of
    them, up to sixteen, and for as long as it finds something.
    """

    def __init__(self, pool: Pool, clock: Clock) -> None:
        """Keep the pool; nothing is asked of Aurora yet."""
        self._pool = pool
        self._clock = clock
        self._dimensions = Dimensions(pool, origin_fields)
        self._days: set[int] = set()
        self._caution = 0
        self._looks_left = 0

    async def write(self, predictions: Sequence[Prediction]) -> WriteReport:
        """Keep the greatest precedence of every identity; on a failure part of it may be kept."""
        batch = Batch.of(predictions)
        failed = batch.refusals(judged=self._dimensions.known)
        positions: Sequence[int] = range(len(batch))
        if failed:
            positions = [position for position in positions if position not in failed]
            batch = batch.at(positions)
        if not positions:
            return WriteReport(failed=failed)
        try:
            superseded = await self._write(batch.packs)
        except (StoreUnavailable, psycopg.errors.CheckViolation) as error:
            # Aurora may come back as another one, and a day's partition may have been dropped.
            self._days.clear()
            self._dimensions.forget()
            raise StoreUnavailable(f"aurora did not take a batch: {error}") from error
        return WriteReport({positions[place] for place in superseded}, failed)

    async def _write(self, packs: Sequence[PredictionPack]) -> Collection[int]:
        await self._ensure_days(packs)
        origins = await self._dimensions.of(pack.columns.origins for pack in packs)
        batch = AuroraBatch(packs, origins)
        if not self._looks_left and await self._copy_all(batch.in_haste()):
            return ()
        try:
            kept = await self._copy_new(batch)
        except _MetOthersError:  # another writer was first, after the look
            kept = batch.newest
        held = await self._merge([batch.rows[position] for position in kept]) if kept else {}
        return batch.superseded(kept, held)

    async def _copy_all(self, rows: Sequence[bytes]) -> bool:
        try:
            async with aurora.transaction(self._pool) as connection:
                await _copy_or_meet(connection, rows)
        except _MetOthersError:
            self._caution = min(2 * self._caution + 1, _LONGEST_CAUTION)
            self._looks_left = self._caution
            return False
        self._caution = 0
        return True

    async def _copy_new(self, batch: AuroraBatch) -> list[int]:
        """Copy what Aurora does not have; answer the positions of the rest, in their order."""
        async with aurora.transaction(self._pool) as connection:
            places = await find_kept(connection, [batch.keys[n] for n in batch.newest])
            kept = [batch.newest[place] for place in places]
            others = set(kept)
            await _copy_or_meet(
                connection, [batch.rows[n] for n in batch.newest if n not in others]
            )
        self._looks_left = self._caution if kept else max(0, self._looks_left - 1)
        return kept

    async def _merge(self, rows: Sequence[bytes]) -> Mapping[Key, Precedence]:
        # A transaction of its own: with new rows still locked, writers could wait in a circle.
        async with aurora.transaction(self._pool) as connection:
            await connection.execute(MAKE_INCOMING.encode())
            await _copy(connection, COPY_INCOMING, rows)
            merged = await connection.execute(MERGE_INCOMING.encode())
            if merged.rowcount == len(rows):
                return {}
            found = await connection.execute(SELECT_GREATER.encode())
            return dict(map(greater_of, await found.fetchall()))

    async def _ensure_days(self, packs: Sequence[PredictionPack]) -> None:
        wanted = {day for pack in packs if len(pack) for day in _days_of(pack.columns.event_time)}
        today = self._clock.now() // DAY
        if today in wanted:
            wanted |= {today + ahead for ahead in range(1, _DAYS_AHEAD + 1)}
        for day in sorted(wanted - self._days):
            async with aurora.transaction(self._pool) as connection:
                await aurora.execute(connection, select(tables.ensure_partition(_date(day))))
            self._days.add(day)

    async def ping(self) -> None:
        """Prove that Aurora takes writes."""
        await aurora.ping(self._pool)

    async def read(self, identities: Sequence[Identity]) -> list[Prediction]:
        """Answer from the view of every run."""
        view = tables.v_all_predictions.c
        found = []
        for start in range(0, len(identities), _IDENTITIES_PER_STATEMENT):
            some = identities[start : start + _IDENTITIES_PER_STATEMENT]
            wanted = [(b, a, from_micros(Micros(at)), run) for b, a, at, run in some]
            times = [at for _, _, at, _ in wanted]
            statement = (
                select(tables.v_all_predictions)
                .where(tuple_(view.binding, view.asset, view.event_time, view.run).in_(wanted))
                .where(view.event_time.between(min(times), max(times)))  # prunes the partitions
            )
            async with aurora.transaction(self._pool) as connection:
                rows = await aurora.execute(connection, statement)
                found += [from_view(row) for row in await rows.fetchall()]
        return found


class _MetOthersError(Exception):
    """A row was there before, or another writer is at the same rows in another order."""


async def _copy_or_meet(connection: Connection, rows: Sequence[bytes]) -> None:
    # Inside the transaction: outside, a circle of waiting writers looks like a data base in need.
    try:
        await _copy(connection, COPY, rows)
    except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected) as error:
        raise _MetOthersError from error


async def _copy(connection: Connection, statement: str, rows: Sequence[bytes]) -> None:
    async with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for portion in to_copy(rows):
            await copy.write(portion)


def _days_of(times: Sequence[int]) -> set[int]:
    first, last = min(times) // DAY, max(times) // DAY
    return {first} if first == last else {at // DAY for at in times}


def _date(day: int) -> date:
    return from_micros(Micros(day * DAY)).date()


@asynccontextmanager
async def _open(_settings: Settings, resources: SinkResources) -> AsyncIterator[AuroraSink]:
    if resources.aurora is None:
        raise InvalidInput("sink aurora needs RESULTS_WRITER_AURORA__DSN")
    yield AuroraSink(resources.aurora, resources.clock)


SINK = SinkPlugin("aurora", _open)
