"""The statements of the sink, as the stand-in takes them; `warehouse` says what it cannot."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import snowflake.connector
from penstock_local.addresses import snowflake_connection

from tests.fixtures.stack import ask, serving, wait_for_server
from tests.fixtures.waiting import PATIENCE_SECONDS

COLUMNS = "PREDICTION_ID varchar, EVENT_TIME timestamp_ntz(6), REVISION integer, VALUE double"
COPY = """
copy into BATCH from (
  select $1:PREDICTION_ID::varchar, $1:EVENT_TIME::timestamp_ntz, $1:REVISION::integer,
         $1:VALUE::double
  from @LOADS_STAGE/batch-7.parquet
) file_format = (type = parquet)
"""
MERGE = """
merge into PREDICTIONS t using (
  select * from BATCH
  qualify row_number() over (partition by PREDICTION_ID order by REVISION desc) = 1
) s
on t.PREDICTION_ID = s.PREDICTION_ID and t.EVENT_TIME between '2026-11-20' and '2026-11-21'
when matched and s.REVISION > t.REVISION then update set VALUE = s.VALUE, REVISION = s.REVISION
when not matched then insert (PREDICTION_ID, EVENT_TIME, REVISION, VALUE)
  values (s.PREDICTION_ID, s.EVENT_TIME, s.REVISION, s.VALUE)
"""
AT = datetime.datetime(2026, 11, 20, 10, 0, 0, 250_000)  # noqa: DTZ001  # NTZ: UTC without a zone


@contextmanager
def connected(settings: dict[str, str | int]) -> Iterator[Any]:
    connection = snowflake.connector.connect(
        **settings, autocommit=False, network_timeout=60, login_timeout=60
    )
    try:
        yield connection
    finally:
        connection.close()


def rows(connection: Any, statement: str) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = connection.cursor().execute(statement).fetchall()
    return found


def load(connection: Any, folder: Path, predictions: list[tuple[str, int, float]]) -> None:
    """PUT a Parquet file, COPY it into a table of the session, MERGE it; the caller commits."""
    batch = pa.table(
        {
            "PREDICTION_ID": [name for name, _, _ in predictions],
            "EVENT_TIME": pa.array([AT] * len(predictions), pa.timestamp("us")),
            "REVISION": pa.array([revision for _, revision, _ in predictions], pa.int32()),
            "VALUE": [value for _, _, value in predictions],
        }
    )
    path = folder / "batch-7.parquet"
    pq.write_table(batch, path)
    rows(connection, "create stage if not exists LOADS_STAGE")
    rows(connection, f"create or replace temporary table BATCH ({COLUMNS})")
    rows(connection, f"put file://{path} @LOADS_STAGE auto_compress=false overwrite=true")
    rows(connection, COPY)
    rows(connection, MERGE)


def test_a_batch_is_merged_once_and_the_greatest_revision_wins(
    snowflake_schema: dict[str, str | int], tmp_path: Path
) -> None:
    with connected(snowflake_schema) as connection:
        rows(connection, f"create table if not exists PREDICTIONS ({COLUMNS})")
        for _ in range(2):
            load(connection, tmp_path, [("a", 1, 0.1), ("b", 1, 0.2), ("a", 3, 0.3)])
            connection.commit()
        load(connection, tmp_path, [("a", 2, 9.9)])
        connection.commit()

        found = rows(connection, "select * from PREDICTIONS order by PREDICTION_ID")

    assert found == [("a", AT, 3, 0.3), ("b", AT, 1, 0.2)]


def test_a_merge_and_an_insert_are_dropped_together(
    snowflake_schema: dict[str, str | int], tmp_path: Path
) -> None:
    with connected(snowflake_schema) as connection:
        rows(connection, f"create table PREDICTIONS ({COLUMNS})")
        rows(connection, "create table LOADS (BATCH_ID varchar)")
        load(connection, tmp_path, [("a", 1, 0.1)])
        rows(connection, "insert into LOADS values ('batch-7')")
        connection.rollback()

        assert rows(connection, "select count(*) from PREDICTIONS") == [(0,)]
        assert rows(connection, "select count(*) from LOADS") == [(0,)]


def test_what_a_killed_client_left_open_holds_nobody_back(tmp_path: Path) -> None:
    """The one who dies has changed a row and neither committed nor said goodbye; the next one
    changes the same row. The dead one's session is over: had it only slept, it must not go on
    with half a transaction.
    """
    folder = tmp_path / "snowflake"
    update = "update PREDICTIONS set VALUE = VALUE + 1"
    at_once = ("--abandoned-after", "0")
    with serving("penstock_local.warehouse", folder, *at_once) as (port, process):
        wait_for_server(process, folder, partial(ask, port, "/"))
        settings = snowflake_connection(port)
        with connected(settings) as killed, connected(settings) as alive:
            rows(alive, f"create table PREDICTIONS ({COLUMNS})")
            rows(alive, "insert into PREDICTIONS values ('a', '2026-11-20', 1, 0.5)")
            alive.commit()
            rows(killed, update)

            rows(alive, update)
            alive.commit()

            assert rows(alive, "select VALUE from PREDICTIONS") == [(1.5,)]
            with pytest.raises(snowflake.connector.errors.Error, match="401"):
                rows(killed, update)


def test_rows_survive_a_clean_end_and_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / "snowflake"
    for count, end in enumerate(("terminate", "kill", "terminate"), start=1):
        with serving("penstock_local.warehouse", folder) as (port, process):
            wait_for_server(process, folder, partial(ask, port, "/"))
            with connected(snowflake_connection(port)) as connection:
                rows(connection, f"create table if not exists PREDICTIONS ({COLUMNS})")
                load(connection, tmp_path, [(f"run-{count}", 1, 0.5)])
                connection.commit()
                assert rows(connection, "select count(*) from PREDICTIONS") == [(count,)]
            getattr(process, end)()
            process.wait(PATIENCE_SECONDS)
