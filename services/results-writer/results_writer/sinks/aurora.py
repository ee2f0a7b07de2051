"""Aurora: rows for applications and for people who ask in SQL."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import date

import psycopg
from penstock.adapters import aurora, tables
from penstock.adapters.aurora import Connection, Pool
from penstock.domain.errors import InvalidInput, StoreUnavailable
from penstock.domain.predictions import Prediction
from penstock.domain.time import DAY, Micros, floor_to, from_micros
from penstock.ports import Clock, WriteReport
from sqlalchemy import select, tuple_

from results_writer.aurora_rows import (
    COPY,
    COPY_INCOMING,
    MAKE_INCOMING,
    MERGE_INCOMING,
    SELECT_GREATER,
    WIRE_TYPES,
    Row,
    from_view,
    greater_of,
    key_of,
    to_row,
)
from results_writer.dimensions import Dimensions
from results_writer.settings import Settings
from results_writer.sink import SinkPlugin, SinkResources
from results_writer.triage import Identity, Precedence, triage

_DAYS_AHEAD = 2
_IDENTITIES_PER_STATEMENT = 2_000
_LONGEST_CAUTION = 16


class AuroraSink:
    """Copies batches straight in, and merges them where that meets rows that are there.

    A copy that fails costs its rows once more, so while copies fail ever more batches in between
    are merged without trying one, up to fifteen.
    """

    def __init__(self, pool: Pool, clock: Clock) -> None:
        """Keep the pool; nothing is asked of Aurora yet."""
        self._pool = pool
        self._clock = clock
        self._dimensions = Dimensions(pool)
        self._days: set[Micros] = set()
        self._caution = 0
        self._merges_left = 0

    async def write(self, predictions: Sequence[Prediction]) -> WriteReport:
        """Keep the greatest precedence of every identity, in one transaction."""
        sorted_out = triage(predictions)
        if not sorted_out.newest:
            return sorted_out.report()
        try:
            held = await self._write(sorted_out.newest)
        except (StoreUnavailable, psycopg.errors.CheckViolation) as error:
            # Aurora may come back as another one, and a day's partition may have been dropped.
            self._days.clear()
            self._dimensions.forget()
            raise StoreUnavailable(f"aurora did not take a batch: {error}") from error
        return sorted_out.report(held)

    async def _write(
        self, predictions: Sequence[Prediction]
    ) -> Iterable[tuple[Identity, Precedence]]:
        await self._ensure_days(predictions)
        keys = await self._dimensions.keys_of(predictions)
        rows = list(map(to_row, predictions, keys))
        # All writers lock rows in one order, so none waits in a circle.
        in_order = sorted(rows)
        if await self._copy(in_order):
            return ()
        greater = await self._merge(in_order)
        if not greater:
            return ()
        identities = {key_of(row): p.identity for row, p in zip(rows, predictions, strict=True)}
        return [(identities[key], precedence) for key, precedence in greater]

    async def _copy(self, rows: Sequence[Row]) -> bool:
        if self._merges_left:
            self._merges_left -= 1
            return False
        try:
            async with aurora.transaction(self._pool) as connection:
                await _copy(connection, COPY, rows)
        except psycopg.errors.UniqueViolation:
            self._caution = min(2 * self._caution + 1, _LONGEST_CAUTION)
            self._merges_left = self._caution - 1
            return False
        self._caution = 0
        return True

    async def _merge(self, rows: Sequence[Row]) -> list[tuple[Row, Precedence]]:
        async with aurora.transaction(self._pool) as connection:
            await connection.execute(MAKE_INCOMING.encode())
            await _copy(connection, COPY_INCOMING, rows)
            merged = await connection.execute(MERGE_INCOMING.encode())
            if merged.rowcount == len(rows):
                return []
            found = await connection.execute(SELECT_GREATER.encode())
            return [greater_of(row) for row in await found.fetchall()]

    async def _ensure_days(self, predictions: Sequence[Prediction]) -> None:
        today = floor_to(self._clock.now(), DAY)
        wanted = {floor_to(prediction.event_time, DAY) for prediction in predictions}
        if today in wanted:
            wanted |= {Micros(today + ahead * DAY) for ahead in range(1, _DAYS_AHEAD + 1)}
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


async def _copy(connection: Connection, statement: str, rows: Sequence[Row]) -> None:
    async with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        copy.set_types(list(WIRE_TYPES.values()))
        for row in rows:
            await copy.write_row(row)


def _date(day: Micros) -> date:
    return from_micros(day).date()


@asynccontextmanager
async def _open(_settings: Settings, resources: SinkResources) -> AsyncIterator[AuroraSink]:
    if resources.aurora is None:
        raise InvalidInput("sink aurora needs RESULTS_WRITER_AURORA__DSN")
    yield AuroraSink(resources.aurora, resources.clock)


SINK = SinkPlugin("aurora", _open)
