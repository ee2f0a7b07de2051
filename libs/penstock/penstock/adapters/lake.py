"""The lake: every revision of every prediction as Parquet, with the exact features.

What was shown at 03:00 can be told from it: `predicted_at <= 03:00`. Packs that come again in
another batch stand in two objects, so people read a view that keeps one row per identity.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from penstock.adapters import parquet
from penstock.adapters.parquet import TIME, between, texts
from penstock.domain.ids import AssetName, BindingName, PackId, RunId
from penstock.domain.predictions import (
    Prediction,
    PredictionFlag,
    PredictionKind,
    newest_by_identity,
)
from penstock.domain.readings import Quality
from penstock.domain.time import Micros
from penstock.ports import ObjectStore

PREDICTIONS_ROOT = "predictions"

SCHEMA = pa.schema(
    [
        ("prediction_id", pa.string()),
        ("binding", pa.string()),
        ("asset", pa.string()),
        ("event_time", TIME),
        ("run", pa.string()),
        ("revision", pa.int64()),
        ("site", pa.string()),
        ("asset_type", pa.string()),
        ("model", pa.string()),
        ("model_version", pa.string()),
        ("variant", pa.string()),
        ("kind", pa.int8()),
        ("value", pa.float64()),
        ("probability", pa.float64()),
        ("decision", pa.bool_()),
        ("threshold", pa.float64()),
        ("quality", pa.int8()),
        ("features_missing", pa.int32()),
        ("flags", pa.int32()),
        ("received_at", TIME),
        ("predicted_at", TIME),
        ("pack_id", pa.string()),
        ("trace_id", pa.string()),
        ("features", pa.list_(pa.float64())),
    ]
)
"""Columns of an object; its rows are sorted by binding, asset and event time."""

READ_VIEW = """
SELECT * FROM {source}
QUALIFY row_number() OVER (
    PARTITION BY binding, asset, event_time, run
    ORDER BY revision DESC, predicted_at DESC, pack_id DESC
) = 1
"""
"""The read view in SQL (DuckDB): of every identity the row of greatest precedence.

Athena knows no QUALIFY and cuts times to milliseconds: its view is `penstock_infra.queries`'.
"""

_ORDER = ("binding", "asset", "event_time", "run", "revision", "predicted_at", "pack_id")
_TIMES = ("event_time", "received_at", "predicted_at")


class LakeWriter:
    """Writes batches of predictions."""

    def __init__(self, store: ObjectStore) -> None:
        """Keep the bucket."""
        self._store = store

    async def write(self, predictions: Sequence[Prediction]) -> None:
        """Make every prediction durable; the same packs overwrite the same objects."""
        name = parquet.object_name([prediction.pack_id for prediction in predictions])
        tables = await asyncio.to_thread(_by_hour, predictions)
        await parquet.write_hours(self._store, PREDICTIONS_ROOT, tables, name=name)


class LakeView:
    """Reads what `READ_VIEW` says, or every revision."""

    def __init__(self, store: ObjectStore) -> None:
        """Keep the bucket."""
        self._store = store

    async def read(
        self,
        since: Micros,
        until: Micros,
        *,
        bindings: Collection[str] = (),
        assets: Collection[str] = (),
        runs: Collection[str] = (),
    ) -> list[Prediction]:
        """Read the newest of every identity in `[since, until)`; nothing named means all."""
        wanted = self.revisions(since, until, bindings=bindings, assets=assets, runs=runs)
        return [p async for hour in wanted for p in newest_by_identity(hour)]

    async def revisions(
        self,
        since: Micros,
        until: Micros,
        *,
        bindings: Collection[str] = (),
        assets: Collection[str] = (),
        runs: Collection[str] = (),
    ) -> AsyncIterator[list[Prediction]]:
        """Read every row of the range, hour by hour: a repeated pack shows its rows again."""
        rows = between("event_time", since, until)
        for column, names in (("binding", bindings), ("asset", assets), ("run", runs)):
            if names:
                rows &= pc.field(column).isin(texts(names))
        tables = parquet.read_hours(
            self._store, PREDICTIONS_ROOT, since=since, until=until, rows=rows
        )
        async for table in tables:
            yield await asyncio.to_thread(_predictions, table)


def _by_hour(predictions: Iterable[Prediction]) -> dict[Micros, pa.Table]:
    rows = [_row(prediction) for prediction in predictions]
    columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    arrays = [
        pa.array(column, pa.int64()).cast(TIME) if kind == TIME else pa.array(column, kind)
        for column, kind in zip(columns, SCHEMA.types, strict=True)
    ]
    table = pa.Table.from_arrays(arrays, schema=SCHEMA)
    return parquet.by_hour(table, "event_time", order=_ORDER)


def _row(p: Prediction) -> tuple[object, ...]:
    # In the order of SCHEMA.
    return (
        p.id, p.binding, p.asset, p.event_time, p.run, p.revision, p.site, p.asset_type, p.model,
        p.model_version, p.variant, int(p.kind), p.value, p.probability, p.decision, p.threshold,
        int(p.quality), p.features_missing, int(p.flags), p.received_at, p.predicted_at, p.pack_id,
        p.trace_id, p.features,
    )  # fmt: skip


def _predictions(table: pa.Table) -> list[Prediction]:
    for name in _TIMES:
        position = table.schema.get_field_index(name)
        table = table.set_column(position, name, table[name].cast(pa.int64()))
    return [_prediction(row) for row in table.to_pylist()]


def _prediction(row: dict[str, Any]) -> Prediction:
    return Prediction(
        binding=BindingName(row["binding"]), asset=AssetName(row["asset"]),
        event_time=Micros(row["event_time"]), run=RunId(row["run"]), revision=row["revision"],
        site=row["site"], asset_type=row["asset_type"], model=row["model"],
        model_version=row["model_version"], variant=row["variant"],
        kind=PredictionKind(row["kind"]), value=row["value"], probability=row["probability"],
        decision=row["decision"], threshold=row["threshold"], quality=Quality(row["quality"]),
        features_missing=row["features_missing"], flags=PredictionFlag(row["flags"]),
        received_at=Micros(row["received_at"]), predicted_at=Micros(row["predicted_at"]),
        pack_id=PackId(row["pack_id"]), trace_id=row["trace_id"], features=tuple(row["features"]),
    )  # fmt: skip
