"""What a person wants to know of a dataset before believing a model made from it."""

from collections.abc import Sequence

import duckdb
from penstock.domain.datasets import Part, Recipe
from penstock.domain.frames import FrameMode
from penstock.domain.readings import Quality
from penstock.domain.time import Micros, to_iso

from training_orchestrator.dataset_sql import feature_columns
from training_orchestrator.prepare_rows import DatasetRows

_MUCH_MISSING = 0.5
_FEW_POSITIVES = 20

Report = dict[str, object]


def make_report(
    database: duckdb.DuckDBPyConnection, recipe: Recipe, rows: DatasetRows, *, loaded: int
) -> Report:
    """Counts, missing shares, ranges, class balance, and warnings in words."""
    features = _features(database, recipe)
    return {
        "records": loaded,
        "tags": _tags(database),
        "rows": rows.kept,
        "dropped": dict(rows.dropped),
        "parts": {str(part): _part(rows, part) for part in Part},
        "features": features,
        "warnings": _warnings(recipe, rows, features),
    }


def _tags(database: duckdb.DuckDBPyConnection) -> list[Report]:
    names = ("asset", "tag", "samples", "bad", "text", "first", "last")
    found = database.execute(
        f"SELECT asset, tag, count(*), count(*) FILTER (quality = {int(Quality.BAD)}), "
        "count(text), min(sample_at), max(sample_at) "
        "FROM samples GROUP BY asset, tag ORDER BY asset, tag"
    ).fetchall()
    rows = [dict(zip(names, row, strict=True)) for row in found]
    return [{**row, "first": to_iso(row["first"]), "last": to_iso(row["last"])} for row in rows]


def _part(rows: DatasetRows, part: Part) -> Report:
    held = rows.parts[part]
    return {
        "from": to_iso(held.since),
        "to": to_iso(held.until),
        "rows": held.rows,
        "positives": held.positives,
    }


def _features(database: duckdb.DuckDBPyConnection, recipe: Recipe) -> list[Report]:
    """Of a window, all its numbers together tell of the feature."""
    names = ("missing_share", "min", "max", "mean", "std")
    is_list = recipe.frame.mode is not FrameMode.ROW
    found: list[Report] = []
    for column, feature in zip(feature_columns(recipe.frame), recipe.frame.features, strict=True):
        numbers = f"SELECT unnest({column}) AS n" if is_list else f"SELECT {column} AS n"
        row = database.execute(
            "SELECT 1 - count(n) / count(*), min(n), max(n), avg(n), stddev_pop(n) "
            f"FROM ({numbers} FROM dataset)"
        ).fetchone()
        told = dict(zip(names, row or (), strict=True))
        found.append(
            {"name": feature.name, "tag": feature.tag, "agg": str(feature.aggregate), **told}
        )
    return found


def _warnings(recipe: Recipe, rows: DatasetRows, features: Sequence[Report]) -> list[str]:
    told: list[str] = []
    for feature in features:
        share = feature["missing_share"]
        if isinstance(share, float) and share > _MUCH_MISSING:
            told.append(
                f"feature {feature['name']} is missing in {share:.0%} of the rows: raise"
                " max_staleness, or check the tag's quality"
            )
        elif feature["min"] == feature["max"] and feature["min"] is not None:
            told.append(f"feature {feature['name']} is always {feature['min']}: it tells nothing")
    if recipe.label is not None:
        told += [_balance(rows, part) for part in Part if _is_poor(rows, part)]
    return told


def _is_poor(rows: DatasetRows, part: Part) -> bool:
    held = rows.parts[part]
    if not held.rows or held.positives is None:
        return False
    return min(held.positives, held.rows - held.positives) < _FEW_POSITIVES


def _balance(rows: DatasetRows, part: Part) -> str:
    held = rows.parts[part]
    return (
        f"the {part} part has {held.positives} positives among {held.rows} rows"
        f" ({to_iso(Micros(held.since))} to {to_iso(held.until)}): its score will be rough"
    )
