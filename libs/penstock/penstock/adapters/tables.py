"""Tables of Aurora: the only place with column names.

The context (what stands where and what is asked of which model) is written by people through the
console and cached by workers; `context_version` rises with every change of it, by trigger.
Predictions use integer dimensions, since the server's work per row is what a writer costs.
`infra/migrations` makes the tables; a test holds both to each other.
"""

from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

METADATA: Final = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

_Time = DateTime(timezone=True)
_Ordered = Text(collation="C")
"""Text that compares as Python compares it, byte by byte."""


sites = Table("sites", METADATA, Column("name", Text, primary_key=True))

asset_types = Table("asset_types", METADATA, Column("name", Text, primary_key=True))

assets = Table(
    "assets",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("site", Text, ForeignKey("sites.name"), nullable=False),
    Column("asset_type", Text, ForeignKey("asset_types.name"), nullable=False),
    Column("prefixes", ARRAY(Text), nullable=False, server_default=text("'{}'")),
)

tags = Table(
    "tags",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("gateway_id", Text),
    Column("path", Text, nullable=False),
    Column("asset", Text, ForeignKey("assets.name", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("gateway_id", "path", postgresql_nulls_not_distinct=True),
)

bindings = Table(
    "bindings",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("body", JSONB, nullable=False),
    Column("etag", Text, nullable=False),
    Column("updated_at", _Time, nullable=False, server_default=func.now()),
)

CONTEXT: Final = (sites, asset_types, assets, tags, bindings)
"""Every change of one of these raises `context_version`."""

context_version = Table(
    "context_version",
    METADATA,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("id = 1", name="single"),
)


def _dimension(name: str, *more: Column[object] | UniqueConstraint) -> Table:
    key = Column("id", Integer, Identity(), primary_key=True)
    return Table(name, METADATA, key, *more)


def _name() -> Column[object]:
    return Column("name", Text, nullable=False, unique=True)


dim_site = _dimension("dim_site", _name())
dim_asset_type = _dimension("dim_asset_type", _name())
dim_asset = _dimension(
    "dim_asset",
    _name(),
    Column("site_id", Integer, nullable=False),
    Column("asset_type_id", Integer, nullable=False),
)
dim_binding = _dimension("dim_binding", _name())
dim_run = _dimension("dim_run", _name())
dim_variant = _dimension("dim_variant", _name())
dim_model_version = _dimension(
    "dim_model_version",
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("job", Text),
    Column("dataset", Text),
    Column("trained_to", _Time),
    UniqueConstraint("model", "version"),
)

LIVE_RUN: Final = 0
"""Id of run `live` in `dim_run`."""

predictions = Table(
    "predictions",
    METADATA,
    # Wide columns first: PostgreSQL pads between columns of different alignment.
    Column("event_time", _Time, primary_key=True),
    Column("received_at", _Time, nullable=False),
    Column("predicted_at", _Time, nullable=False),
    Column("stored_at", _Time, nullable=False, server_default=func.now()),
    Column("revision", BigInteger, nullable=False),
    Column("value", Double),
    Column("probability", Double),
    Column("threshold", Double),
    Column("binding_id", Integer, primary_key=True),
    Column("asset_id", Integer, primary_key=True),
    Column("run_id", Integer, primary_key=True),
    Column("model_version_id", Integer, nullable=False),
    Column("features_missing", Integer, nullable=False),
    Column("flags", Integer, nullable=False),
    Column("variant_id", Integer, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("decision", SmallInteger),
    Column("quality", SmallInteger, nullable=False),
    Column("pack_id", _Ordered, nullable=False),
    Column("trace_id", LargeBinary),
    Column("forecast_start", _Time),
    Column("forecast_step_seconds", Integer),
    Column("quantile_levels", ARRAY(Double)),
    Column("quantile_values", ARRAY(Double)),
    postgresql_partition_by="RANGE (event_time)",
)
"""One row per identity, one partition per UTC day of `event_time`.

`quantile_values` of a forecast stand step by step, each with all its levels.
"""

IDENTITY: Final = tuple(
    predictions.c[n] for n in ("event_time", "binding_id", "asset_id", "run_id")
)
PRECEDENCE: Final = tuple(predictions.c[n] for n in ("revision", "predicted_at", "pack_id"))

_VIEWS = MetaData()


def _predictions_view(name: str, *more: Column[object]) -> Table:
    words = ("binding", "asset", "site", "asset_type", "model", "model_version", "variant")
    times = ("event_time", "received_at", "predicted_at", "stored_at")
    return Table(
        name,
        _VIEWS,
        *more,
        *(Column(word, Text) for word in words),
        *(Column(time, _Time) for time in times),
        Column("revision", BigInteger),
        Column("kind", SmallInteger),
        *(Column(number, Double) for number in ("value", "probability", "threshold")),
        Column("decision", SmallInteger),
        Column("quality", SmallInteger),
        Column("features_missing", Integer),
        Column("flags", Integer),
        Column("pack_id", _Ordered),
        Column("trace_id", LargeBinary),
    )


v_predictions = _predictions_view("v_predictions")
"""Names in place of keys, run `live` alone: what people and dashboards read."""

v_all_predictions = _predictions_view("v_all_predictions", Column("run", Text))
"""The same for every run."""

v_forecast_points = Table(
    "v_forecast_points",
    _VIEWS,
    *(Column(name, Text) for name in ("binding", "asset", "site")),
    *(Column(name, _Time) for name in ("event_time", "target_time")),
    Column("step", Integer),
    Column("quantile", Double),
    Column("value", Double),
)
"""One row per step and quantile of every live forecast."""

ensure_partition = func.ensure_predictions_partition
"""The data base's own function: makes the partition of a day, answers whether it was missing."""
