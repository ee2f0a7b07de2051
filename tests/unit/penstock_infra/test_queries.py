"""The queries run on what the code writes, and say what the code says."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from penstock.adapters.archive import ReadingsArchive, open_pack
from penstock.adapters.lake import LakeView
from penstock.adapters.memory import MemoryObjectStore
from penstock.channels.readings import readings_message, rejects_message, to_columns
from penstock.domain.ids import GatewayId, PackId, RunId
from penstock.domain.predictions import Prediction
from penstock.domain.readings import Reject
from penstock.domain.time import DAY, HOUR, MINUTE, SECOND, Micros
from penstock_infra import queries
from penstock_infra.glue_tables import PARTITIONS, TABLES
from results_writer.sinks.lake import LakeSink

from tests.factories import NOON, make_prediction, make_reading

DATABASE = "penstock_prod"


def make_revisions() -> list[Prediction]:
    """Two runs, three revisions; two frames of one millisecond; a repeat with a later answer."""
    at = [NOON + offset for offset in (0, 1, 20 * MINUTE, HOUR)]
    made = [
        replace(
            make_prediction(asset=f"P-{asset}", event_time=time, revision=revision, run=RunId(run)),
            pack_id=PackId(f"pack-{revision}"),
            predicted_at=Micros(time + revision * SECOND),
            probability=revision / 10,
            features=(float(revision), -1.5),
        )
        for asset in range(2)
        for time in at
        for run in ("live", "replay:7")
        for revision in (2, 3, 1)
    ]
    again = [
        replace(one, predicted_at=Micros(one.predicted_at + SECOND), pack_id=PackId("pack-again"))
        for one in made[:3]
    ]
    return made + again


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute(f"CREATE SCHEMA {DATABASE}")
        opened.execute("CREATE MACRO from_utf8(bytes) AS decode(bytes)")
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


def lay_out(stores: dict[str, MemoryObjectStore], folder: Path) -> None:
    for bucket, store in stores.items():
        for key, body in store.objects.items():
            path = folder / bucket / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)


def open_tables(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Make each table a view over its files, or an empty table where there are none."""
    for table in TABLES:
        root = folder / table.bucket.name / table.root
        name = f"{DATABASE}.{table.name}"
        if root.exists():
            reader = "read_parquet" if table.form == "parquet" else "read_json"
            files = (
                f"{reader}('{root}/*/*/*', hive_partitioning = true,"
                " hive_types = {'dt': VARCHAR, 'hour': VARCHAR})"
            )
            columns = ", ".join(f'"{one.name}"' for one in (*table.columns, *PARTITIONS))
            connection.execute(f"CREATE VIEW {name} AS SELECT {columns} FROM {files}")  # noqa: S608 -- names of ours
        else:
            columns = ", ".join(
                f'"{one.name}" {one.type.replace("array<double>", "double[]")}'
                for one in (*table.columns, *PARTITIONS)
            )
            connection.execute(f"CREATE TABLE {name} ({columns})")


async def test_the_view_shows_each_live_prediction_once_as_the_lake_reads_it(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    store = MemoryObjectStore()
    everything = make_revisions()
    sink = LakeSink(store)
    await sink.write(everything)
    await sink.write([one for one in everything if one.revision < 3])
    lay_out({"lake": store}, tmp_path)
    open_tables(connection, tmp_path)

    shown = connection.sql(queries.v_live(DATABASE))
    assert shown.columns == [column.name for column in queries.V_LIVE_COLUMNS]
    rows = [dict(zip(shown.columns, row, strict=True)) for row in shown.fetchall()]
    read = await LakeView(store).read(NOON, Micros(NOON + DAY), runs=["live"])
    assert len(rows) == 8
    assert key_of_rows(rows) == sorted(
        (p.id, p.revision, p.pack_id, p.probability, p.features) for p in read
    )
    assert {(row["dt"], row["hour"]) for row in rows} == {
        ("2026-11-20", "12"),
        ("2026-11-20", "13"),
    }


def key_of_rows(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    names = ("prediction_id", "revision", "pack_id", "probability")
    return sorted((*(row[name] for name in names), tuple(row["features"])) for row in rows)


async def test_every_query_runs_on_what_was_written(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    lake, archive = MemoryObjectStore(), MemoryObjectStore()
    now = Micros(connection.sql("SELECT epoch_us(now())").fetchall()[0][0])
    await write_recent(lake, archive, Micros(now - 2 * HOUR))
    lay_out({"lake": lake, "archive": archive}, tmp_path)
    open_tables(connection, tmp_path)
    connection.execute(
        f"INSERT INTO {DATABASE}.device_messages SELECT 'station-1', 'p/readings/station-1',"
        " now(), to_base64('{\"ozone\": 101}'::BLOB), strftime(now(), '%Y-%m-%d'), '00'"
    )
    answers = {
        query.name: connection.execute(query.sql).fetchall()
        for query in queries.named_queries(DATABASE)
    }
    assert [row[6] for row in answers["latest-by-asset"]] == [True]
    assert [row[3] for row in answers["as-shown-an-hour-ago"]] == [1]
    assert [(row[0], row[3]) for row in answers["freshness"]] == [("pump-failure", 1)]
    assert [row[:3] for row in answers["refused-by-reason"]] == [("gw-7", "time_in_future", 2)]
    assert [(row[1], row[3]) for row in answers["latest-readings"]] == [("/SITE01/P-101/TEMP", 2.0)]
    assert [row[3] for row in answers["device-messages"]] == ['{"ozone": 101}']


async def write_recent(lake: MemoryObjectStore, archive: MemoryObjectStore, at: Micros) -> None:
    first = replace(make_prediction(event_time=at, revision=1), predicted_at=at, decision=False)
    second = replace(
        first, revision=2, predicted_at=Micros(at + 90 * MINUTE), decision=True,
        pack_id=PackId("pack-2"),
    )  # fmt: skip
    await LakeSink(lake).write([first, second])
    readings = [make_reading(at=at + n, value=float(n), accepted_at=at + n) for n in range(3)]
    rejects = [Reject(GatewayId("gw-7"), "r", n, "time_in_future", "{}", at) for n in range(2)]
    packs = [
        readings_message(to_columns(readings), pack_id="a", created_at=at),
        rejects_message(rejects, pack_id="b", created_at=at),
    ]
    await ReadingsArchive(archive).write([open_pack(pack) for pack in packs])


@pytest.mark.parametrize("query", queries.named_queries(DATABASE), ids=lambda query: query.name)
def test_a_query_is_of_athenas_language(query: queries.Query) -> None:
    parsed = sqlglot.parse_one(query.sql, dialect="athena")
    assert parsed.sql(dialect="athena")
    # Trino has no QUALIFY, and would take double quotes for names only.
    assert "QUALIFY" not in query.sql.upper()


def test_the_view_of_the_catalog_holds_the_query_and_its_columns() -> None:
    text = queries.presto_view(DATABASE)
    encoded = text.removeprefix("/* Presto View: ").removesuffix(" */")
    view = json.loads(base64.b64decode(encoded, validate=True))
    assert view["originalSql"] == queries.v_live(DATABASE)
    assert (view["catalog"], view["schema"]) == ("awsdatacatalog", DATABASE)
    assert view["columns"][0] == {"name": "prediction_id", "type": "varchar"}
    assert {"name": "features", "type": "array(double)"} in view["columns"]
    assert view["columns"][-2:] == [
        {"name": "dt", "type": "varchar"}, {"name": "hour", "type": "varchar"},
    ]  # fmt: skip
