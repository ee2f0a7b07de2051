"""Snowflake: staged Parquet and one MERGE per batch, for analysts."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import structlog
from penstock.adapters import parquet
from penstock.domain.errors import InvalidInput, StoreUnavailable
from penstock.domain.ids import AssetName, BindingName, RunId, prediction_id
from penstock.domain.predictions import Prediction
from penstock.domain.time import Micros
from penstock.ports import Clock, WriteReport
from snowflake.connector.errors import Error as SnowflakeError

from results_writer import snowflake_rows as rows
from results_writer.lease import Lease
from results_writer.settings import Settings
from results_writer.sink import BatchLimits, SinkPlugin, SinkResources
from results_writer.snowflake_schema import STAGE, statements_to_create
from results_writer.snowflake_session import (
    Connection,
    SnowflakeSession,
    SnowflakeSettings,
    connect_arguments,
)
from results_writer.triage import Identity, Precedence, triage

log = structlog.get_logger()

_LEASE_PATIENCE_SECONDS = 30.0
_IDS_PER_STATEMENT = 1_000


@dataclass(frozen=True, slots=True)
class Load:
    """One batch on its way: deduplicated, named by its packs, bounded in event time."""

    batch_id: str
    predictions: Sequence[Prediction]
    loaded_at: Micros

    @property
    def file(self) -> str:
        """Name of its file on the stage: nobody else's, and the same for a repeat."""
        return f"{self.batch_id}.parquet"

    @property
    def values(self) -> dict[str, Any]:
        """Values of the statements' parameters."""
        times = [prediction.event_time for prediction in self.predictions]
        return {
            "batch_id": self.batch_id,
            "since": rows.time_of(min(times)),
            "until": rows.time_of(max(times)),
            "loaded_at": rows.time_of(self.loaded_at),
            "rows_in": len(self.predictions),
            "complete_to": rows.time_of(min(p.predicted_at for p in self.predictions)),
        }


class SnowflakeSink:
    """Stages a Parquet file, copies it into the session's own table, merges that, tells the load.

    Merges of one table wait for each other anyway, so one process merges at a time, under a lease.
    """

    def __init__(self, settings: SnowflakeSettings, clock: Clock, lease: Lease) -> None:
        """Keep what it needs; nothing is asked of Snowflake yet."""
        self._settings = settings
        self._clock = clock
        self._lease = lease
        self._session = SnowflakeSession(settings, prepare=self._prepare)

    async def write(self, predictions: Sequence[Prediction]) -> WriteReport:
        """Keep the greatest precedence of every identity; durable when it returns."""
        sorted_out = triage(predictions)
        if not sorted_out.newest:
            return sorted_out.report()
        batch_id = parquet.object_name([prediction.pack_id for prediction in sorted_out.newest])
        load = Load(batch_id, sorted_out.newest, self._clock.now())
        async with self._lease.held(patience_seconds=_LEASE_PATIENCE_SECONDS):
            greater = await self._session.run(lambda connection: self._load(connection, load))
        identities = {str(prediction.id): prediction.identity for prediction in load.predictions}
        return sorted_out.report((identities[key], held) for key, held in greater.items())

    async def ping(self) -> None:
        """Prove that a session answers."""
        await self._session.run(lambda connection: _execute(connection, "SELECT 1"))

    async def read(self, identities: Sequence[Identity]) -> list[Prediction]:
        """Answer from the table that every view reads."""
        ids = [_prediction_id(*identity) for identity in identities]

        def select(connection: Connection) -> list[Prediction]:
            found = []
            for start in range(0, len(ids), _IDS_PER_STATEMENT):
                some = ids[start : start + _IDS_PER_STATEMENT]
                found += _execute(connection, rows.select_by_id(len(some)), some)
            return [rows.from_row(row) for row in found]

        return await self._session.run(select)

    async def close(self) -> None:
        """End the session."""
        await self._session.close()

    def _prepare(self, connection: Connection) -> None:
        if self._settings.create_tables:
            for statement in statements_to_create():
                _execute(connection, statement)
        _execute(connection, f"CREATE STAGE IF NOT EXISTS {STAGE}")
        connection.commit()

    def _load(self, connection: Connection, load: Load) -> dict[str, Precedence]:
        self._stage(connection, load)
        _execute(connection, rows.CREATE_INCOMING)
        ((_, status, _, count, *_),) = _execute(connection, rows.copy_incoming(load.file))
        if count != len(load.predictions):
            raise StoreUnavailable(f"COPY of {load.file} answered {status} with {count} rows")
        values = load.values
        ((new, corrected, *_),) = _execute(connection, rows.MERGE, values)
        counts = {"rows_new": new, "rows_corrected": corrected}
        _execute(connection, rows.INSERT_LOAD, values | counts)
        greater = []
        if new + corrected < len(load.predictions):
            greater = _execute(connection, rows.SELECT_GREATER, values)
        connection.commit()
        if self._settings.can_remove:
            self._remove(connection, load)
        return {row[0]: (row[1], rows.micros_of(row[2]), row[3]) for row in greater}

    @staticmethod
    def _remove(connection: Connection, load: Load) -> None:
        # Last, after the commit: a file that stays behind costs a little, a repeat costs more.
        try:
            _execute(connection, f"REMOVE @{STAGE}/{load.file}")
        except SnowflakeError as error:
            log.warning("stage.not_cleaned", file=load.file, error=str(error))

    @staticmethod
    def _stage(connection: Connection, load: Load) -> None:
        with tempfile.TemporaryDirectory(prefix="penstock-load-") as folder:
            path = Path(folder) / load.file
            pq.write_table(rows.to_table(load.predictions), path, compression="zstd")
            options = "AUTO_COMPRESS = FALSE OVERWRITE = TRUE"
            _execute(connection, f"PUT 'file://{path}' @{STAGE} {options}")


def _execute(connection: Connection, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        found: list[tuple[Any, ...]] = cursor.execute(statement, values).fetchall()
        return found


def _prediction_id(binding: str, asset: str, event_time: int, run: str) -> str:
    return prediction_id(BindingName(binding), AssetName(asset), Micros(event_time), RunId(run))


@asynccontextmanager
async def _open(settings: Settings, resources: SinkResources) -> AsyncIterator[SnowflakeSink]:
    if settings.snowflake is None:
        raise InvalidInput("sink snowflake needs RESULTS_WRITER_SNOWFLAKE__ACCOUNT and its like")
    connect_arguments(settings.snowflake)  # a key that cannot be read is told at the start
    place = f"{settings.snowflake.database}.{settings.snowflake.schema_name}"
    lease = Lease(resources.tables, resources.clock, name=f"merge:{place}", holder=resources.holder)
    sink = SnowflakeSink(settings.snowflake, resources.clock, lease)
    try:
        yield sink
    finally:
        await sink.close()


SINK = SinkPlugin(
    "snowflake", _open, BatchLimits(max_bytes=8 * 1024 * 1024, max_age_seconds=30, max_packs=256)
)
