"""The Glue database over the archive and the lake: declared tables, and the view `v_live`."""

from collections.abc import Mapping
from datetime import date

from aws_cdk import Aws
from aws_cdk import aws_glue as glue
from constructs import Construct
from penstock.resources import physical_name

from penstock_infra.glue_tables import (
    PARTITIONS,
    TABLES,
    Form,
    GlueColumn,
    GlueTable,
    database_name,
    table_parameters,
)
from penstock_infra.queries import V_LIVE, V_LIVE_COLUMNS, presto_view

_HIVE = "org.apache.hadoop"
_READERS: Mapping[Form, tuple[str, str, str]] = {
    "parquet": (
        f"{_HIVE}.hive.ql.io.parquet.MapredParquetInputFormat",
        f"{_HIVE}.hive.ql.io.parquet.MapredParquetOutputFormat",
        f"{_HIVE}.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    ),
    "json": (
        f"{_HIVE}.mapred.TextInputFormat",
        f"{_HIVE}.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        "org.openx.data.jsonserde.JsonSerDe",
    ),
}
"""Hive's classes that read, write and understand a form."""


class Catalog(Construct):
    """Tables by name; Athena computes their partitions, so nothing has to add any."""

    def __init__(self, scope: Construct, name: str, *, prefix: str, first_day: date) -> None:
        """Create the database and everything in it."""
        super().__init__(scope, name)
        self._prefix = prefix
        self.database_name = database_name(prefix)
        self._database = glue.CfnDatabase(
            self,
            "database",
            catalog_id=Aws.ACCOUNT_ID,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=self.database_name,
                description=f"Archive and lake of {prefix}",
            ),
        )
        self.tables = {table.name: self._add_table(table, first_day) for table in TABLES}
        self._add_view()

    def _add_table(self, table: GlueTable, first_day: date) -> glue.CfnTable:
        bucket = physical_name(self._prefix, table.bucket.name)
        reads, writes, understands = _READERS[table.form]
        return self._add(
            table.name,
            glue.CfnTable.TableInputProperty(
                name=table.name,
                description=table.description,
                table_type="EXTERNAL_TABLE",
                parameters=dict(table_parameters(table, bucket, first_day)),
                partition_keys=_columns(PARTITIONS),
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    columns=_columns(table.columns),
                    location=f"s3://{bucket}/{table.root}/",
                    input_format=reads,
                    output_format=writes,
                    serde_info=glue.CfnTable.SerdeInfoProperty(serialization_library=understands),
                ),
            ),
        )

    def _add_view(self) -> None:
        view = self._add(
            V_LIVE,
            glue.CfnTable.TableInputProperty(
                name=V_LIVE,
                description="Every live prediction once, in its greatest revision",
                table_type="VIRTUAL_VIEW",
                parameters={"presto_view": "true", "comment": "Presto View"},
                view_original_text=presto_view(self.database_name),
                view_expanded_text="/* Presto View */",
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    columns=_columns(V_LIVE_COLUMNS)
                ),
            ),
        )
        view.add_dependency(self.tables["predictions"])

    def _add(self, name: str, table: glue.CfnTable.TableInputProperty) -> glue.CfnTable:
        made = glue.CfnTable(
            self,
            name,
            catalog_id=Aws.ACCOUNT_ID,
            database_name=self.database_name,
            table_input=table,
        )
        made.add_dependency(self._database)
        return made


def _columns(columns: tuple[GlueColumn, ...]) -> list[glue.CfnTable.ColumnProperty]:
    return [
        glue.CfnTable.ColumnProperty(name=one.name, type=one.type, comment=one.comment)
        for one in columns
    ]
