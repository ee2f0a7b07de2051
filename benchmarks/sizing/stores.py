"""What a reading and a prediction weigh where they are kept."""

import time
from collections.abc import Iterator
from typing import Any

import boto3
import psycopg
from penstock.resources import ARCHIVE, LAKE, physical_name
from penstock_local.environment import PREFIX, REGION
from penstock_local.looking import read_counts
from penstock_local.stack import PenstockStack

_WAIT_SECONDS = 120.0


def wait_for_predictions(stack: PenstockStack, *, binding: str, count: int) -> int:
    """Wait until Aurora has as many of the binding, or nothing more comes; return how many."""
    query = "SELECT count(*) FROM v_predictions WHERE binding = %s"
    deadline = time.monotonic() + _WAIT_SECONDS
    with psycopg.connect(stack.endpoint("postgres"), autocommit=True) as connection:
        while True:
            row = connection.execute(query, [binding]).fetchone()
            found = int(row[0]) if row else 0
            if found >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.5)


def wait_until_written(stack: PenstockStack) -> None:
    """Wait until no queue holds a message; what a batch holds is in flight until it is written."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while any(map(any, read_counts(stack.environment).values())):
        if time.monotonic() > deadline:
            raise SystemExit(f"messages are left after {_WAIT_SECONDS:g} s")
        time.sleep(0.5)


def aurora_bytes_per_row(stack: PenstockStack) -> float:
    """Bytes of a prediction with its indexes."""
    query = (
        "SELECT sum(pg_total_relation_size(inhrelid)), (SELECT count(*) FROM predictions)"
        " FROM pg_inherits WHERE inhparent = 'predictions'::regclass"
    )
    with psycopg.connect(stack.endpoint("postgres"), autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    size, count = row or (0, 0)
    return float(size) / int(count)


def archive_bytes(stack: PenstockStack) -> int:
    """Bytes of all readings in the archive."""
    return sum(size for key, size in _objects(stack, ARCHIVE.name) if "readings" in key)


def lake_bytes(stack: PenstockStack) -> int:
    """Bytes of all predictions in the lake."""
    return sum(size for _, size in _objects(stack, LAKE.name))


def _objects(stack: PenstockStack, bucket: str) -> Iterator[tuple[str, int]]:
    client: Any = boto3.client(
        "s3", endpoint_url=stack.endpoint("aws"), region_name=REGION,
        aws_access_key_id="penstock", aws_secret_access_key="penstock",  # noqa: S106 -- a stand-in
    )  # fmt: skip
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=physical_name(PREFIX, bucket))
    for page in pages:
        yield from ((found["Key"], int(found["Size"])) for found in page.get("Contents", []))
