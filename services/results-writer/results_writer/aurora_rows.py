"""Rows of Aurora's table `predictions`: how they are copied, merged and read back."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from penstock.adapters import tables
from penstock.domain.ids import AssetName, BindingName, PackId, RunId
from penstock.domain.predictions import Prediction, PredictionFlag, PredictionKind
from penstock.domain.readings import Quality
from penstock.domain.time import to_micros

from results_writer.dimensions import Keys
from results_writer.triage import Precedence

Row = tuple[object, ...]

WIRE_TYPES = {
    "event_time": "int8", "binding_id": "int4", "asset_id": "int4", "run_id": "int4",
    "received_at": "int8", "predicted_at": "int8", "revision": "int8",
    "value": "float8", "probability": "float8", "threshold": "float8",
    "model_version_id": "int4", "features_missing": "int4", "flags": "int4", "variant_id": "int4",
    "kind": "int2", "decision": "int2", "quality": "int2", "pack_id": "text", "trace_id": "bytea",
}  # fmt: skip
"""The columns that are copied, and their binary form.

A timestamptz travels as the int8 of its microseconds since 2000: no datetime is made of it.
"""

_KEY_LENGTH = len(tables.IDENTITY)
_EPOCH = to_micros(datetime(2000, 1, 1, tzinfo=UTC))
_TABLE = tables.predictions.name
_COLUMNS = ", ".join(WIRE_TYPES)
_KEY = ", ".join(column.name for column in tables.IDENTITY)


def _precedence(of: str) -> str:
    return ", ".join(f"{of}.{column.name}" for column in tables.PRECEDENCE)


COPY = f"COPY {_TABLE} ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
MAKE_INCOMING = (
    f"CREATE TEMPORARY TABLE IF NOT EXISTS incoming (LIKE {_TABLE} INCLUDING DEFAULTS)"
    " ON COMMIT DELETE ROWS"
)
COPY_INCOMING = f"COPY incoming ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
MERGE_INCOMING = f"""
    INSERT INTO {_TABLE} AS kept ({_COLUMNS}) SELECT {_COLUMNS} FROM incoming
    ON CONFLICT ({_KEY}) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in WIRE_TYPES)}, stored_at = now()
    WHERE ({_precedence("excluded")}) > ({_precedence("kept")})
"""  # noqa: S608  # every name is a constant of ours
SELECT_GREATER = f"""
    SELECT {_KEY}, {_precedence("kept")} FROM {_TABLE} AS kept JOIN incoming USING ({_KEY})
    WHERE ({_precedence("kept")}) > ({_precedence("incoming")})
"""  # noqa: S608  # as above


def to_row(p: Prediction, keys: Keys) -> Row:
    """Make the values of `WIRE_TYPES`, in order: rows sort by the table's key."""
    binding, asset, run, model_version, variant = keys
    return (
        p.event_time - _EPOCH, binding, asset, run,
        p.received_at - _EPOCH, p.predicted_at - _EPOCH, p.revision,
        p.value, p.probability, p.threshold,
        model_version, p.features_missing, int(p.flags), variant,
        int(p.kind), None if p.decision is None else int(p.decision), int(p.quality), p.pack_id,
        _trace_bytes(p.trace_id),
    )  # fmt: skip


def key_of(row: Row) -> Row:
    """The row's part that stands for its identity."""
    return row[:_KEY_LENGTH]


def greater_of(found: Mapping[str, Any]) -> tuple[Row, Precedence]:
    """Read a row of SELECT_GREATER: a key as `key_of` makes it, and the precedence kept there."""
    at, binding, asset, run, revision, predicted_at, pack_id = found.values()
    key = (to_micros(at) - _EPOCH, binding, asset, run)
    return key, (revision, to_micros(predicted_at), pack_id)


def _trace_bytes(trace_id: str) -> bytes | None:
    try:
        return bytes.fromhex(trace_id) or None
    except ValueError:
        return None


def from_view(row: Mapping[str, Any]) -> Prediction:
    """Read a row of `v_all_predictions` back."""
    return Prediction(
        binding=BindingName(row["binding"]), asset=AssetName(row["asset"]),
        event_time=to_micros(row["event_time"]), run=RunId(row["run"]), revision=row["revision"],
        site=row["site"], asset_type=row["asset_type"], model=row["model"],
        model_version=row["model_version"], variant=row["variant"],
        kind=PredictionKind(row["kind"]), value=row["value"], probability=row["probability"],
        decision=None if row["decision"] is None else bool(row["decision"]),
        threshold=row["threshold"], quality=Quality(row["quality"]),
        features_missing=row["features_missing"], flags=PredictionFlag(row["flags"]),
        received_at=to_micros(row["received_at"]), predicted_at=to_micros(row["predicted_at"]),
        pack_id=PackId(row["pack_id"]), trace_id=(row["trace_id"] or b"").hex(),
    )  # fmt: skip
