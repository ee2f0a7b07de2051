"""Statements over Aurora's table `predictions`: rows are copied, merged and read back."""

from collections.abc import Mapping
from typing import Any

from penstock.adapters import tables
from penstock.domain.ids import AssetName, BindingName, PackId, RunId
from penstock.domain.predictions import Prediction, PredictionFlag, PredictionKind
from penstock.domain.readings import Quality
from penstock.domain.time import to_micros

from results_writer.aurora_wire import COLUMNS, Key, identity_of
from results_writer.triage import Precedence

_TABLE = tables.predictions.name
_COLUMNS = ", ".join(COLUMNS)
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
    SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS)}, stored_at = now()
    WHERE ({_precedence("excluded")}) > ({_precedence("kept")})
"""  # noqa: S608  # every name is a constant of ours
SELECT_GREATER = f"""
    SELECT {_KEY}, {_precedence("kept")} FROM {_TABLE} AS kept JOIN incoming USING ({_KEY})
    WHERE ({_precedence("kept")}) > ({_precedence("incoming")})
"""  # noqa: S608  # as above


def greater_of(found: Mapping[str, Any]) -> tuple[Key, Precedence]:
    """Read a row of SELECT_GREATER: an identity, and the precedence that is kept of it."""
    at, binding, asset, run, revision, predicted_at, pack_id = found.values()
    key = (to_micros(at), identity_of(binding, asset, run))
    return key, (revision, to_micros(predicted_at), pack_id)


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
