"""How rows reach Snowflake's PREDICTIONS: staged as Parquet, copied, merged, and read back."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from penstock.domain.ids import AssetName, BindingName, PackId, RunId
from penstock.domain.predictions import Prediction, PredictionFlag, PredictionKind
from penstock.domain.readings import Quality
from penstock.domain.time import Micros, from_micros, to_micros

from results_writer.snowflake_schema import COPIED, LOADS, PREDICTIONS, STAGE

INCOMING = "PENSTOCK_INCOMING"
"""The session's own table; each batch makes it anew, so a file's load history begins empty."""

CREATE_INCOMING = (
    f"CREATE OR REPLACE TEMPORARY TABLE {INCOMING} "
    f"({', '.join(f'{column.name} {column.type}' for column in COPIED)})"
)


def copy_incoming(file: str) -> str:
    """Load a staged file into the session's own table."""
    names = ", ".join(column.name for column in COPIED)
    values = ", ".join(column.from_parquet for column in COPIED)
    return (
        f"COPY INTO {INCOMING} ({names}) FROM (SELECT {values} FROM @{STAGE}/{file}) "  # noqa: S608
        "FILE_FORMAT = (TYPE = PARQUET)"
    )


_PRECEDENCE = ("REVISION", "PREDICTED_AT", "PACK_ID")


def _is_greater(one: str, other: str) -> str:
    # Written out: row values do not compare in every Snowflake.
    terms = []
    for position, name in enumerate(_PRECEDENCE):
        equal = [f"{one}.{n} = {other}.{n}" for n in _PRECEDENCE[:position]]
        terms.append(f"({' AND '.join([*equal, f'{one}.{name} > {other}.{name}'])})")
    return f"({' OR '.join(terms)})"


_SAME = "kept.PREDICTION_ID = s.PREDICTION_ID AND kept.EVENT_TIME BETWEEN %(since)s AND %(until)s"
"""Bounded by the batch's own times, so that the merge reads few micro-partitions."""

MERGE = f"""
MERGE INTO PREDICTIONS AS kept
USING (
    SELECT * FROM {INCOMING} QUALIFY ROW_NUMBER() OVER (
        PARTITION BY PREDICTION_ID ORDER BY {", ".join(f"{n} DESC" for n in _PRECEDENCE)}
    ) = 1
) AS s
ON {_SAME}
WHEN MATCHED AND {_is_greater("s", "kept")} THEN UPDATE SET
    {", ".join(f"{c.name} = s.{c.name}" for c in COPIED)},
    LOADED_AT = %(loaded_at)s, BATCH_ID = %(batch_id)s
WHEN NOT MATCHED THEN INSERT ({", ".join(c.name for c in PREDICTIONS)})
    VALUES ({", ".join(f"s.{c.name}" for c in COPIED)}, %(loaded_at)s, %(batch_id)s)
"""  # noqa: S608  # every name is a constant of this module; values are bound
SELECT_GREATER = f"""
SELECT kept.PREDICTION_ID, {", ".join(f"kept.{name}" for name in _PRECEDENCE)}
FROM PREDICTIONS AS kept JOIN {INCOMING} AS s ON {_SAME} WHERE {_is_greater("kept", "s")}
"""  # noqa: S608  # as above
INSERT_LOAD = f"""
INSERT INTO LOADS ({", ".join(c.name for c in LOADS)})
SELECT %(batch_id)s, %(rows_in)s, %(rows_new)s, %(rows_corrected)s, %(complete_to)s, %(loaded_at)s
WHERE NOT EXISTS (SELECT 1 FROM LOADS WHERE BATCH_ID = %(batch_id)s)
"""  # noqa: S608  # as above


def select_by_id(count: int) -> str:
    """Read the columns of COPIED of that many predictions."""
    names = ", ".join(column.name for column in COPIED)
    marks = ", ".join(["%s"] * count)
    return f"SELECT {names} FROM PREDICTIONS WHERE PREDICTION_ID IN ({marks})"  # noqa: S608


def to_table(predictions: Iterable[Prediction]) -> pa.Table:
    """Make the columns of the Parquet file."""
    rows = [_row(prediction) for prediction in predictions]
    arrays = [
        pa.array(values, column.arrow)
        for column, values in zip(COPIED, zip(*rows, strict=True), strict=True)
    ]
    return pa.Table.from_arrays(arrays, names=[column.name for column in COPIED])


def _row(p: Prediction) -> tuple[object, ...]:
    # In the order of COPIED.
    return (
        p.id, p.run, p.revision, p.site, p.asset, p.asset_type, p.binding, p.model,
        p.model_version, p.variant, p.kind.name.lower(), p.event_time, p.value, p.probability,
        p.decision, p.threshold, p.quality.name.lower(), p.features_missing, int(p.flags),
        p.received_at, p.predicted_at, p.pack_id, p.trace_id,
    )  # fmt: skip


def from_row(row: Sequence[Any]) -> Prediction:
    """Read a row of COPIED back; the features stand in the lake alone."""
    r = dict(zip((column.name for column in COPIED), row, strict=True))
    return Prediction(
        binding=BindingName(r["BINDING"]), asset=AssetName(r["ASSET"]),
        event_time=micros_of(r["EVENT_TIME"]), run=RunId(r["RUN"]), revision=r["REVISION"],
        site=r["SITE"], asset_type=r["ASSET_TYPE"], model=r["MODEL"],
        model_version=r["MODEL_VERSION"], variant=r["VARIANT"],
        kind=PredictionKind[r["KIND"].upper()], value=r["VALUE"], probability=r["PROBABILITY"],
        decision=r["DECISION"], threshold=r["THRESHOLD"], quality=Quality[r["QUALITY"].upper()],
        features_missing=r["FEATURES_MISSING"], flags=PredictionFlag(r["FLAGS"]),
        received_at=micros_of(r["RECEIVED_AT"]), predicted_at=micros_of(r["PREDICTED_AT"]),
        pack_id=PackId(r["PACK_ID"]), trace_id=r["TRACE_ID"],
    )  # fmt: skip


def time_of(at: Micros) -> datetime:
    """Write a time as Snowflake takes it here: in UTC, without a zone."""
    return from_micros(at).replace(tzinfo=None)


def micros_of(at: datetime) -> Micros:
    """Read a time of Snowflake's back."""
    return to_micros(at.replace(tzinfo=UTC))
