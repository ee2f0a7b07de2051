"""Where readings and predictions are kept: DynamoDB, S3, Aurora, Snowflake."""

import math
from collections.abc import Iterator

from penstock_client.cost.flows import (
    GB,
    objects_per_second,
    prediction_packs,
    reading_packs,
)
from penstock_client.cost.usage import Usage
from penstock_client.cost.workload import Deployment

STATE_UNITS_PER_READING = 0.11
"""Write units of frame state per reading in mode `row`, and never less than one per write."""
LEDGER_ROW_BYTES = 250
LEDGER_DAYS = 30
"""Kept by the table's time to live."""
READING_HOPS = 2
PREDICTION_HOPS = 5
"""Rows of the ledger per pack: archive and inference; published, and each of four sinks."""
LATEST_ITEM_BYTES = 700
ARCHIVED_READING_BYTES = 5.0
LAKE_FIXED_BYTES, LAKE_FEATURE_BYTES = 46, 3
AURORA_ROW_BYTES = 250
"""A reading and a prediction in Parquet, a prediction with its index in Aurora: what
`make bench-sizing` found kept (measured.json).
"""
AURORA_CPU_SECONDS = 16e-6
"""Server's CPU per row: 7.8 μs were measured for COPY with conflicts, doubled for upkeep."""
AURORA_IO_PER_ROW = 0.2
"""Writes of 4 KiB of log per row, at about 400 bytes of log, doubled for commits: an assumption."""
VCPU_PER_ACU = 0.25
"""An ACU is about 2 GiB and the CPU that goes with it: an assumption."""
BUSY = 0.7
LOAD_SECONDS = 5.0
SUSPEND_SECONDS = 60.0
"""One load of a batch, and the warehouse's auto-suspend; a wake is billed 60 s at least."""


def dynamodb(deployment: Deployment) -> Iterator[Usage]:
    """Frame state, ledger, newest predictions, and what workers ask of them."""
    load = deployment.load
    state_units = max(1.0, STATE_UNITS_PER_READING * load.tags_per_asset)
    state = load.scans_per_second * state_units * load.seconds
    ledger = _ledger_rows_per_second(deployment)
    latest = load.predictions_per_second * load.seconds
    yield Usage("DynamoDB", "writes of frame state", "dynamodb-write", state)
    yield Usage("DynamoDB", "writes of the ledger", "dynamodb-write", ledger * load.seconds)
    yield Usage("DynamoDB", "writes of newest predictions", "dynamodb-write", latest)
    reads = _reads_per_second(deployment) * load.seconds
    yield Usage("DynamoDB", "reads of state, ledger, gateways, models", "dynamodb-read", reads)
    kept = (
        load.assets * state_units * 1024
        + ledger * LEDGER_ROW_BYTES * LEDGER_DAYS * 86_400
        + load.assets * load.bindings_per_asset * LATEST_ITEM_BYTES
    )
    yield Usage("DynamoDB", "kept", "dynamodb-gb-month", kept / GB * load.months)


def s3(deployment: Deployment) -> Iterator[Usage]:
    """The archive of readings, the lake of predictions, datasets of trainings."""
    load = deployment.load
    writers = deployment.running("results-writer")
    archive = objects_per_second(
        reading_packs(deployment),
        tasks=writers,
        age_seconds=deployment.setting("archive_age_seconds"),
        most_bytes=deployment.setting("archive_bytes"),
    )
    lake = objects_per_second(
        prediction_packs(deployment),
        tasks=writers,
        age_seconds=deployment.setting("lake_age_seconds"),
        most_bytes=deployment.setting("lake_bytes"),
    )
    yield Usage("S3", "objects of the archive", "s3-put", archive * load.seconds)
    yield Usage("S3", "objects of the lake", "s3-put", lake * load.seconds)
    days = load.retention_days * 86_400
    archived = load.readings_per_second * ARCHIVED_READING_BYTES * days / GB
    predicted = load.predictions_per_second * lake_bytes(load.tags_per_asset) * days / GB
    datasets = load.dataset_gb * load.trainings
    yield Usage("S3", "archive kept", "s3-gb-month", archived * load.months)
    yield Usage("S3", "lake kept", "s3-gb-month", predicted * load.months)
    yield Usage("S3", "datasets kept a month", "s3-gb-month", datasets)


def aurora(deployment: Deployment) -> Iterator[Usage]:
    """Capacity, storage and its reads and writes."""
    load = deployment.load
    rows = load.predictions_per_second
    writer = max(load.aurora_least_acu, rows * AURORA_CPU_SECONDS / VCPU_PER_ACU / BUSY)
    readers = (load.aurora_instances - 1) * load.aurora_least_acu
    capacity = (writer + readers) * load.hours
    kept = rows * load.aurora_days * 86_400 * AURORA_ROW_BYTES / GB
    yield Usage("Aurora", f"{load.aurora_instances} instances", "aurora-acu-hour", capacity)
    yield Usage("Aurora", "writes", "aurora-io", rows * AURORA_IO_PER_ROW * load.seconds)
    yield Usage("Aurora", "kept", "aurora-gb-month", kept * load.months)


def snowflake(deployment: Deployment) -> Iterator[Usage]:
    """The warehouse that loads predictions, and what is kept."""
    load = deployment.load
    credits_used = warehouse_hours(deployment) * load.snowflake_credits_per_hour
    days = load.retention_days * 86_400
    kept = load.predictions_per_second * lake_bytes(load.tags_per_asset) * days / 1e12
    if load.snowflake_minutes == 0:
        kept = 0.0
    yield Usage("Snowflake", "warehouse", "snowflake-credit", credits_used)
    yield Usage("Snowflake", "kept", "snowflake-tb-month", kept * load.months)


def warehouse_hours(deployment: Deployment) -> float:
    """Hours a month that a warehouse of its own runs for loads.

    Loads that follow each other sooner than its auto-suspend keep it awake all the time.
    """
    load = deployment.load
    if load.snowflake_minutes is not None:
        return load.snowflake_minutes / 60 * load.hours / 24
    # One merger at a time: the tasks' loads follow one another.
    loads = objects_per_second(
        prediction_packs(deployment),
        tasks=deployment.running("results-writer"),
        age_seconds=deployment.setting("snowflake_age_seconds"),
    )
    awake_seconds = max(60.0, LOAD_SECONDS + SUSPEND_SECONDS)
    return min(1.0, loads * awake_seconds) * load.hours


def lake_bytes(features: int) -> float:
    """Bytes of one prediction in Parquet."""
    return LAKE_FIXED_BYTES + LAKE_FEATURE_BYTES * features


def _ledger_rows_per_second(deployment: Deployment) -> float:
    return (
        reading_packs(deployment).per_second * READING_HOPS
        + prediction_packs(deployment).per_second * PREDICTION_HOPS
    )


def _reads_per_second(deployment: Deployment) -> float:
    load = deployment.load
    workers = deployment.running("inference-worker")
    doors = deployment.running("ingest-api")
    cached = deployment.setting("cached_states") * workers
    missing = max(0.0, 1 - cached / load.assets) if load.assets else 0.0
    state_kib = max(1.0, STATE_UNITS_PER_READING * load.tags_per_asset)
    of_state = load.scans_per_second * missing * math.ceil(state_kib / 4)
    # Scans bill each begun 4 KiB of all items; a gateway or a model version is about 1 KiB.
    of_models = workers / deployment.setting("context_poll_seconds") * math.ceil(load.models / 4)
    of_gateways = doors / deployment.setting("gateways_refresh_seconds")
    # Each worker asks the ledger once whether the archive has a pack that a state of its names.
    of_packs = workers * reading_packs(deployment).per_second
    return of_state + of_models + of_gateways * math.ceil(load.gateways / 4) + of_packs
