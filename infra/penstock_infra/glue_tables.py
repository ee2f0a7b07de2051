"""The tables that analysts see over the archive and the lake: columns, meaning, place, partitions.

Declared rather than discovered, so that a table is there before its first object and a column says
what it means; a test holds each to what the code writes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from penstock.resources import ARCHIVE, LAKE, Bucket

GlueType = Literal[
    "string", "tinyint", "int", "bigint", "double", "boolean", "timestamp", "array<double>"
]
Form = Literal["parquet", "json"]


@dataclass(frozen=True, slots=True)
class GlueColumn:
    """A column, and what it means."""

    name: str
    type: GlueType
    comment: str


@dataclass(frozen=True, slots=True)
class GlueTable:
    """Objects of one shape below `<root>/dt=2026-11-20/hour=10/` of a bucket."""

    name: str
    description: str
    bucket: Bucket
    root: str
    columns: tuple[GlueColumn, ...]
    form: Form = "parquet"


PARTITIONS = (
    GlueColumn("dt", "string", "UTC day, as 2026-11-20: name it, or every day is read"),
    GlueColumn("hour", "string", "UTC hour of the day, 00 to 23"),
)

_C = GlueColumn

_ACCEPTED_AT = _C("accepted_at", "timestamp", "when it was durable with us, UTC")
_PACK_ID = _C("pack_id", "string", "message that brought it")

PREDICTIONS = GlueTable(
    "predictions",
    "Every revision of every prediction; v_live has one row of each",
    LAKE,
    "predictions",
    (
        _C("prediction_id", "string", "the same for every repeat and revision of one prediction"),
        _C("binding", "string", "joins the asset to the model"),
        _C("asset", "string", "machine or line"),
        _C("event_time", "timestamp", "time of the frame, UTC; Athena shows milliseconds"),
        _C("run", "string", "live, shadow:<version> or replay:<id>"),
        _C("revision", "bigint", "the greatest one counts"),
        _C("site", "string", "plant where the asset stands"),
        _C("asset_type", "string", "what kind of machine"),
        _C("model", "string", "name of the model"),
        _C("model_version", "string", "version that answered"),
        _C("variant", "string", "variant of the endpoint that answered"),
        _C("kind", "tinyint", "1 classification, 2 score, 3 forecast, 4 object"),
        _C("value", "double", "class, score or mean"),
        _C("probability", "double", "of the positive class"),
        _C("decision", "boolean", "null where nothing was decided"),
        _C("threshold", "double", "above it the decision is true"),
        _C("quality", "tinyint", "worst input: 0 good, 1 uncertain, 2 bad"),
        _C("features_missing", "int", "features that had no usable reading"),
        _C("flags", "int", "sum of 1 late, 2 assumed time, 4 assumed quality, 8 maintenance"),
        _C("received_at", "timestamp", "when the newest reading of the frame was accepted, UTC"),
        _C("predicted_at", "timestamp", "when the model answered, UTC"),
        _PACK_ID,
        _C("trace_id", "string", "trace of the request that brought its readings"),
        _C("features", "array<double>", "what the model was asked, in its order"),
    ),
)
READINGS = GlueTable(
    "readings",
    "Every accepted reading by its own time; a repeated one stands here as often as it came",
    ARCHIVE,
    "readings",
    (
        _C("gateway_id", "string", "gateway that sent it"),
        _C("tag", "string", "path of the measured signal"),
        _C("at", "timestamp", "time of the reading, UTC; Athena shows milliseconds"),
        _C("value", "double", "a number, or 0 and 1 for a bool"),
        _C("text", "string", "where the value is a text"),
        _C("kind", "tinyint", "0 null, 1 number, 2 bool, 3 text"),
        _C("quality", "tinyint", "0 good, 1 uncertain, 2 bad"),
        _C("raw_quality", "string", "quality as the gateway said it"),
        _C("flags", "int", "sum of 1 assumed time, 2 assumed quality"),
        _ACCEPTED_AT,
        _PACK_ID,
    ),
)
SEQUENCES = GlueTable(
    "sequences",
    "Every accepted sequence of numbers by its own time",
    ARCHIVE,
    "sequences",
    (
        _C("gateway_id", "string", "gateway that sent it"),
        _C("sensor", "string", "who measured it"),
        _C("model", "string", "model that it is for"),
        _C("at", "timestamp", "time of the sequence, UTC; Athena shows milliseconds"),
        _C("data", "array<double>", "its numbers"),
        _C("flags", "int", "sum of 1 assumed time, 2 assumed quality"),
        _ACCEPTED_AT,
        _PACK_ID,
    ),
)
QUARANTINE = GlueTable(
    "quarantine",
    "Every refused item with its reason, by the time of its arrival",
    ARCHIVE,
    "quarantine",
    (
        _C("gateway_id", "string", "gateway that sent it"),
        _C("request_id", "string", "request that brought it"),
        _C("index", "bigint", "place in the request, from 0"),
        _C("reason", "string", "why it was refused"),
        _C("item", "string", "the item as it came"),
        _C("accepted_at", "bigint", "when it was durable with us, microseconds since 1970, UTC"),
    ),
    form="json",
)
DEVICE_MESSAGES = GlueTable(
    "device_messages",
    "Every message of a device as it came through MQTT, by the time of its arrival",
    LAKE,
    "device-messages",
    (
        _C("thing", "string", "name of the thing that sent it"),
        _C("topic", "string", "MQTT topic"),
        _C("received_at", "timestamp", "when the broker took it, UTC"),
        _C("payload", "string", "its bytes in base64"),
    ),
)

TABLES: tuple[GlueTable, ...] = (PREDICTIONS, READINGS, SEQUENCES, QUARANTINE, DEVICE_MESSAGES)

_ATHENA_TYPES = {"string": "varchar", "int": "integer", "array<double>": "array(double)"}


def athena_type(glue_type: GlueType) -> str:
    """Name of a column's type in Athena's own language, for views."""
    if glue_type == "timestamp":
        return "timestamp(3)"
    return _ATHENA_TYPES.get(glue_type, glue_type)


def table_parameters(table: GlueTable, bucket_name: str, first_day: date) -> Mapping[str, str]:
    """Parameters by which Athena computes partitions instead of asking the catalog for them.

    Objects of days before `first_day` are there, and no query sees them.
    """
    return {
        "EXTERNAL": "TRUE",
        "classification": table.form,
        "projection.enabled": "true",
        "projection.dt.type": "date",
        "projection.dt.format": "yyyy-MM-dd",
        "projection.dt.interval": "1",
        "projection.dt.interval.unit": "DAYS",
        # Readings may be a little ahead of the clock.
        "projection.dt.range": f"{first_day.isoformat()},NOW+1DAYS",
        "projection.hour.type": "integer",
        "projection.hour.range": "0,23",
        "projection.hour.digits": "2",
        "storage.location.template": f"s3://{bucket_name}/{table.root}/dt=${{dt}}/hour=${{hour}}/",
    }


def database_name(prefix: str) -> str:
    """Name of the database: Athena wants names without hyphens."""
    return prefix.replace("-", "_")
