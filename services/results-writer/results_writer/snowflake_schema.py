"""Everything that stands in Snowflake, from one list: tables, comments and views.

Names instead of keys, so that an analyst's first chart needs no join. Times are UTC without a zone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

TEXT = "VARCHAR"
WHOLE = "NUMBER(38,0)"
REAL = "FLOAT"
YES_NO = "BOOLEAN"
TIME = "TIMESTAMP_NTZ(6)"


@dataclass(frozen=True, slots=True)
class SnowflakeColumn:
    """A column and what it means."""

    name: str
    type: str
    comment: str
    required: bool = True

    @property
    def ddl(self) -> str:
        """Its line in CREATE TABLE."""
        null = " NOT NULL" if self.required else ""
        return f"{self.name} {self.type}{null} COMMENT '{self.comment}'"

    @property
    def from_parquet(self) -> str:
        """Its expression over a staged Parquet file; times are microseconds there."""
        if self.type == TIME:
            return f"TO_TIMESTAMP_NTZ($1:{self.name}::{WHOLE}, 6)"
        return f"$1:{self.name}::{self.type}"

    @property
    def arrow(self) -> pa.DataType:
        """Its type in the Parquet file."""
        return {TEXT: pa.string(), REAL: pa.float64(), YES_NO: pa.bool_()}.get(
            self.type, pa.int64()
        )


_C = SnowflakeColumn

COPIED = (
    _C("PREDICTION_ID", TEXT, "the same for every repeat and revision of one prediction"),
    _C("RUN", TEXT, "live, shadow:<version> or replay:<id>"),
    _C("REVISION", WHOLE, "the greatest one is kept"),
    _C("SITE", TEXT, "plant where the asset stands"),
    _C("ASSET", TEXT, "machine or line"),
    _C("ASSET_TYPE", TEXT, "what kind of machine"),
    _C("BINDING", TEXT, "joins the asset to the model"),
    _C("MODEL", TEXT, "name of the model"),
    _C("MODEL_VERSION", TEXT, "version that answered"),
    _C("VARIANT", TEXT, "variant of the endpoint that answered"),
    _C("KIND", TEXT, "classification, score, forecast or object"),
    _C("EVENT_TIME", TIME, "time of the frame, UTC"),
    _C("VALUE", REAL, "class, score or mean", required=False),
    _C("PROBABILITY", REAL, "of the positive class", required=False),
    _C("DECISION", YES_NO, "null where nothing was decided", required=False),
    _C("THRESHOLD", REAL, "above it the decision is true", required=False),
    _C("QUALITY", TEXT, "worst input: good, uncertain or bad"),
    _C("FEATURES_MISSING", WHOLE, "features that had no usable reading"),
    _C("FLAGS", WHOLE, "sum of 1 late, 2 assumed time, 4 assumed quality, 8 maintenance"),
    _C("RECEIVED_AT", TIME, "when the newest reading of the frame was accepted, UTC"),
    _C("PREDICTED_AT", TIME, "when the model answered, UTC"),
    _C("PACK_ID", TEXT, "message that brought it"),
    _C("TRACE_ID", TEXT, "trace of the request that brought its readings"),
)
"""Columns of PREDICTIONS that travel in the Parquet file, in its order."""

PREDICTIONS = (
    *COPIED,
    _C("LOADED_AT", TIME, "when it was written here, UTC"),
    _C("BATCH_ID", TEXT, "load that wrote it, see LOADS"),
)
FORECAST_POINTS = (
    _C("PREDICTION_ID", TEXT, "prediction that the point belongs to"),
    _C("STEP", WHOLE, "counted from 0"),
    _C("TARGET_TIME", TIME, "time that is forecast, UTC"),
    _C("MEAN", REAL, "expected value", required=False),
    _C("P10", REAL, "quantile 0.1", required=False),
    _C("P50", REAL, "quantile 0.5", required=False),
    _C("P90", REAL, "quantile 0.9", required=False),
    _C("QUANTILES", "VARIANT", "every quantile by its level", required=False),
    _C("REVISION", WHOLE, "revision of the prediction"),
)
OUTCOMES = (
    _C("OUTCOME_ID", TEXT, "one per asset, outcome and time"),
    _C("SITE", TEXT, "plant where the asset stands"),
    _C("ASSET", TEXT, "machine or line"),
    _C("OUTCOME", TEXT, "what happened, as a failure"),
    _C("HAPPENED_AT", TIME, "when it began, UTC"),
    _C("ENDED_AT", TIME, "when it ended, UTC", required=False),
    _C("VALUE", REAL, "measured truth, where it is a number", required=False),
    _C("RECORDED_AT", TIME, "when somebody told us, UTC"),
)
LOADS = (
    _C("BATCH_ID", TEXT, "made from the messages of the batch"),
    _C("ROWS_IN", WHOLE, "predictions of the batch"),
    _C("ROWS_NEW", WHOLE, "written first"),
    _C("ROWS_CORRECTED", WHOLE, "written over an older revision"),
    _C("COMPLETE_TO", TIME, "what was predicted before is loaded or under repair, UTC"),
    _C("LOADED_AT", TIME, "when the load was done, UTC"),
)

TABLES = {
    "PREDICTIONS": (PREDICTIONS, "EVENT_TIME"),
    "FORECAST_POINTS": (FORECAST_POINTS, "TARGET_TIME"),
    "OUTCOMES": (OUTCOMES, "HAPPENED_AT"),
    "LOADS": (LOADS, None),
}
VIEWS = {
    "V_LIVE": "SELECT * FROM PREDICTIONS WHERE RUN = 'live'",
    "V_LATEST_BY_ASSET": (
        "SELECT * FROM PREDICTIONS WHERE RUN = 'live' QUALIFY ROW_NUMBER() OVER "
        "(PARTITION BY BINDING, ASSET ORDER BY EVENT_TIME DESC, REVISION DESC) = 1"
    ),
    "V_FRESHNESS": (
        "SELECT MAX_BY(COMPLETE_TO, LOADED_AT) AS COMPLETE_TO, MAX(LOADED_AT) AS LOADED_AT, "
        "DATEDIFF('second', MAX_BY(COMPLETE_TO, LOADED_AT), SYSDATE()) AS SECONDS_BEHIND "
        "FROM LOADS"
    ),
}
STAGE = "PENSTOCK_LOADS"


def statements_to_create() -> list[str]:
    """Make what is missing; what is there stays, with the grants that people gave on it."""
    tables = [_create(name, columns, day) for name, (columns, day) in TABLES.items()]
    views = [f"CREATE VIEW IF NOT EXISTS {name} AS {query}" for name, query in VIEWS.items()]
    return [*tables, *views]


def _create(name: str, columns: Sequence[SnowflakeColumn], day: str | None) -> str:
    lines = ", ".join(column.ddl for column in columns)
    cluster = f" CLUSTER BY (TO_DATE({day}))" if day else ""
    return f"CREATE TABLE IF NOT EXISTS {name} ({lines}){cluster}"
