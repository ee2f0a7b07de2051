"""Reads what arrived, from each place as analysts read it, with every row that it shows."""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
import psycopg
import pyarrow.parquet as pq
import snowflake.connector

LIVE = "live"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a store's read view; `features` where the store keeps them."""

    binding: str
    asset: str
    event_time: int
    revision: int
    value: float | None
    predicted_at: int = 0
    pack_id: str = ""
    features: tuple[float, ...] | None = None

    @property
    def place(self) -> tuple[str, str, int]:
        """The identity of a live prediction."""
        return (self.binding, self.asset, self.event_time)


@dataclass(frozen=True, slots=True)
class Stores:
    """Where to read: addresses of the stack, as its own services have them."""

    aurora_dsn: str
    snowflake: Mapping[str, Any]
    aws_endpoint: str
    prefix: str = "penstock"
    region: str = "eu-west-1"

    def read_all(self) -> dict[str, list[Row]]:
        """Read the four places."""
        return {
            "aurora": list(self.aurora()),
            "snowflake": list(self.snowflake_rows()),
            "lake": newest_revisions(list(self.lake())),
            "latest": list(self.latest()),
        }

    def aurora(self) -> Iterator[Row]:
        """Read the view that names everything."""
        query = "SELECT binding, asset, event_time, revision, value FROM v_predictions"
        with psycopg.connect(self.aurora_dsn) as connection:
            for binding, asset, at, revision, value in connection.execute(query):
                yield Row(binding, asset, _micros(at), revision, value)

    def snowflake_rows(self) -> Iterator[Row]:
        """Read the view of live predictions."""
        query = "SELECT BINDING, ASSET, EVENT_TIME, REVISION, VALUE FROM V_LIVE"
        with closing(snowflake.connector.connect(**self.snowflake)) as connection:
            cursor = connection.cursor()
            cursor.execute(query)
            for binding, asset, at, revision, value in cursor.fetchall():
                yield Row(binding, asset, _micros(at), revision, value)

    def lake(self) -> Iterator[Row]:
        """Read every revision that stands in the lake's files."""
        s3 = self._client("s3")
        bucket = f"{self.prefix}-lake"
        for page in s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix="predictions/"
        ):
            for entry in page.get("Contents", []):
                body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
                yield from _lake_rows(body)

    def latest(self) -> Iterator[Row]:
        """Read the newest of each asset and binding."""
        table = boto3.resource("dynamodb", **self._account).Table(f"{self.prefix}-latest")
        answer = table.scan()
        items = answer["Items"]
        while "LastEvaluatedKey" in answer:
            answer = table.scan(ExclusiveStartKey=answer["LastEvaluatedKey"])
            items += answer["Items"]
        for item in items:
            value = item.get("value")
            yield Row(
                item["binding"], item["asset"], int(item["event_time"]), int(item["revision"]),
                None if value is None else float(value),
            )  # fmt: skip

    def _client(self, service: str) -> Any:
        return boto3.client(service, **self._account)

    @property
    def _account(self) -> dict[str, str]:
        # Spelled out: nobody's own credentials are looked for, and none need be there.
        return {
            "endpoint_url": self.aws_endpoint,
            "region_name": self.region,
            "aws_access_key_id": "penstock",
            "aws_secret_access_key": "penstock",
        }


def newest_revisions(rows: Sequence[Row]) -> list[Row]:
    """Do what the lake's read view does: of each identity the row of greatest precedence."""
    newest: dict[tuple[str, str, int], Row] = {}
    for row in rows:
        held = newest.get(row.place)
        if held is None or _precedence(row) > _precedence(held):
            newest[row.place] = row
    return list(newest.values())


def _precedence(row: Row) -> tuple[int, int, str]:
    return (row.revision, row.predicted_at, row.pack_id)


def _lake_rows(body: bytes) -> Iterator[Row]:
    for item in pq.read_table(io.BytesIO(body)).to_pylist():
        if item["run"] != LIVE:
            continue
        features = tuple(math.nan if f is None else float(f) for f in item["features"])
        yield Row(
            item["binding"], item["asset"], _micros(item["event_time"]), item["revision"],
            item["value"], _micros(item["predicted_at"]), item["pack_id"], features,
        )  # fmt: skip


def _micros(at: datetime) -> int:
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1_000_000)
