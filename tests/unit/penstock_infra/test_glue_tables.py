"""The tables of the catalog are what the code writes: columns, types, places, partitions."""

import json
from datetime import date

import msgspec
import pyarrow as pa
import pytest
from penstock.adapters.archive import QUARANTINE_ROOT, READINGS_ROOT, SEQUENCES_ROOT
from penstock.adapters.archive_rows import READINGS_SCHEMA, SEQUENCES_SCHEMA
from penstock.adapters.lake import PREDICTIONS_ROOT, SCHEMA
from penstock.adapters.parquet import TIME, partition
from penstock.domain.ids import GatewayId
from penstock.domain.predictions import PredictionFlag, PredictionKind
from penstock.domain.readings import Quality, ReadingFlag, Reject
from penstock_infra.glue_tables import (
    PREDICTIONS,
    QUARANTINE,
    READINGS,
    SEQUENCES,
    TABLES,
    GlueTable,
    database_name,
    table_parameters,
)

from tests.factories import NOON

GLUE_TYPES = {
    pa.string(): "string",
    pa.int8(): "tinyint",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.bool_(): "boolean",
    TIME: "timestamp",
    pa.list_(pa.float64()): "array<double>",
}


@pytest.mark.parametrize(
    ("table", "schema", "root"),
    [
        (PREDICTIONS, SCHEMA, PREDICTIONS_ROOT),
        (READINGS, READINGS_SCHEMA, READINGS_ROOT),
        (SEQUENCES, SEQUENCES_SCHEMA, SEQUENCES_ROOT),
    ],
    ids=lambda value: value.name if isinstance(value, GlueTable) else "",
)
def test_a_parquet_table_has_the_columns_that_are_written(
    table: GlueTable, schema: pa.Schema, root: str
) -> None:
    assert [(one.name, one.type) for one in table.columns] == [
        (field.name, GLUE_TYPES[field.type]) for field in schema
    ]
    assert (table.root, table.form) == (root, "parquet")


def test_the_quarantine_has_the_fields_of_a_reject() -> None:
    reject = Reject(GatewayId("gw-7"), "r-1", 0, "not_a_number", '"x"', NOON)
    types = {int: "bigint", str: "string"}
    written = json.loads(msgspec.json.encode(reject))
    assert [(one.name, one.type) for one in QUARANTINE.columns] == [
        (name, types[type(value)]) for name, value in written.items()
    ]
    assert (QUARANTINE.root, QUARANTINE.form) == (QUARANTINE_ROOT, "json")


@pytest.mark.parametrize(
    ("table", "column", "meanings"),
    [
        (PREDICTIONS, "kind", PredictionKind),
        (PREDICTIONS, "quality", Quality),
        (READINGS, "quality", Quality),
    ],
)
def test_a_comment_names_every_code(table: GlueTable, column: str, meanings: type) -> None:
    said = ", ".join(f"{one.value} {one.name.lower()}" for one in meanings)  # type: ignore[attr-defined]
    assert comment(table, column).endswith(said)


@pytest.mark.parametrize(
    ("table", "flags"),
    [(PREDICTIONS, PredictionFlag), (READINGS, ReadingFlag), (SEQUENCES, ReadingFlag)],
)
def test_a_comment_names_every_flag(table: GlueTable, flags: type) -> None:
    names = (f"{flag.value} {flag.name.lower().replace('_', ' ')}" for flag in flags)  # type: ignore[attr-defined]
    assert comment(table, "flags") == f"sum of {', '.join(names)}"


def comment(table: GlueTable, column: str) -> str:
    return next(one.comment for one in table.columns if one.name == column)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_partition_is_computed_to_where_the_code_writes(table: GlueTable) -> None:
    parameters = table_parameters(table, "penstock-lake", date(2020, 1, 1))
    hour = range(*map(int, parameters["projection.hour.range"].split(",")))
    assert [hour.start, hour.stop] == [0, 23]
    computed = (
        parameters["storage.location.template"]
        .replace("${dt}", "2026-11-20")
        .replace("${hour}", f"{12:0{parameters['projection.hour.digits']}}")
    )
    assert computed == f"s3://penstock-lake/{partition(table.root, NOON)}"
    assert parameters["projection.dt.range"] == "2020-01-01,NOW+1DAYS"


def test_names_of_a_database_and_its_tables_need_no_quotes() -> None:
    assert database_name("penstock-prod-2") == "penstock_prod_2"
    assert all(table.name.replace("_", "").isalpha() for table in TABLES)
