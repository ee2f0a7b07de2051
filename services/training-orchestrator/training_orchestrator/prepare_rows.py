"""From samples to the rows of a dataset: which are kept, which part each belongs to, and why not.

Works on a data base that holds `samples`; leaves `dataset`: one row per kept frame with its part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb
from penstock.domain.datasets import Part, Recipe, Split
from penstock.domain.frames import FrameDefinition, FrameMode
from penstock.domain.time import Micros, format_duration, to_iso

from training_orchestrator.dataset_sql import feature_columns, statements
from training_orchestrator.prepare_order import NoData, OneClassOnly, WrongLabel

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class PartRows:
    """One part of a dataset: [since, until), its rows and how many of them are positive."""

    since: Micros
    until: Micros
    rows: int
    positives: int | None


@dataclass(frozen=True, slots=True)
class DatasetRows:
    """The rows of a dataset, counted."""

    parts: Mapping[Part, PartRows]
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        """Rows of all parts."""
        return sum(part.rows for part in self.parts.values())


def make_rows(
    database: duckdb.DuckDBPyConnection, recipe: Recipe, *, has_label: bool, allows_missing: bool
) -> DatasetRows:
    """Make `dataset`; raise NoData, WrongLabel or OneClassOnly where it would teach nothing."""
    _require_samples(database, recipe)
    for statement in statements(recipe.frame, recipe.label):
        database.execute(statement)
    _judge(database, recipe, has_label=has_label, allows_missing=allows_missing)
    span = _one(database, "SELECT min(event_time), max(event_time) FROM judged WHERE why IS NULL")
    dropped = _dropped(database)
    if span[0] is None:
        raise NoData(_nothing_left(recipe, dropped))
    ranges = recipe.split.ranges(Micros(span[0]), Micros(span[1]))
    _assign_parts(database, ranges)
    rows = DatasetRows(
        {part: _part_rows(database, part, *ranges[part]) for part in Part}, _dropped(database)
    )
    _require_parts(rows, recipe.split)
    if has_label:
        _require_classes(rows, recipe)
    return rows


def _require_samples(database: duckdb.DuckDBPyConnection, recipe: Recipe) -> None:
    found = {str(tag) for (tag,) in database.execute("SELECT DISTINCT tag FROM samples").fetchall()}
    if recipe.label is not None and recipe.label.tag not in found:
        raise WrongLabel(
            f"no reading of the label {recipe.label.tag} came from the source in the range;"
            f" {_tags_that_came(database)}"
        )
    if not found & set(recipe.frame.tags):
        since, until = to_iso(recipe.pull.since), to_iso(recipe.pull.until)
        raise NoData(
            f"no reading of any feature came from the source between {since} and {until};"
            f" {_tags_that_came(database)}"
        )


def _tags_that_came(database: duckdb.DuckDBPyConnection) -> str:
    found = database.execute(
        "SELECT path, count(*) FROM raw GROUP BY path ORDER BY path"
    ).fetchall()
    if not found:
        return "nothing came at all: check range and source"
    shown = ", ".join(f"{path} ({count} readings)" for path, count in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"what came: {shown}{more}"


def _judge(
    database: duckdb.DuckDBPyConnection, recipe: Recipe, *, has_label: bool, allows_missing: bool
) -> None:
    width = recipe.frame.width
    reasons = []
    if has_label:
        reasons.append("WHEN label IS NULL THEN 'no_label'")
    reasons.append("WHEN present = 0 THEN 'no_feature'")
    if not allows_missing:
        reasons.append(f"WHEN present < {width} THEN 'missing_feature'")
    database.execute(
        f"CREATE TABLE judged AS SELECT *, CASE {' '.join(reasons)} END AS why "
        f"FROM (SELECT *, {_present(recipe.frame)} AS present FROM rows)"
    )


def _present(definition: FrameDefinition) -> str:
    """How many numbers of a row there are; by lists, since SQL bears no sum of 1,000 terms."""
    columns = feature_columns(definition)
    if definition.mode is FrameMode.ROW:
        return f"list_aggregate([{', '.join(columns)}], 'count')"
    counts = (f"list_aggregate({column}, 'count')" for column in columns)
    return f"list_sum([{', '.join(counts)}])"


def _assign_parts(
    database: duckdb.DuckDBPyConnection, ranges: Mapping[Part, tuple[Micros, Micros]]
) -> None:
    cases = " ".join(
        f"WHEN event_time >= {since} AND event_time < {until} THEN '{part}'"
        for part, (since, until) in ranges.items()
    )
    database.execute(
        f"CREATE TABLE dataset AS SELECT *, CASE {cases} END AS split FROM judged WHERE why IS NULL"
    )
    database.execute("UPDATE judged SET why = 'in_gap' FROM dataset WHERE dataset.split IS NULL "
                     "AND judged.asset = dataset.asset "
                     "AND judged.event_time = dataset.event_time")  # fmt: skip
    database.execute("DELETE FROM dataset WHERE split IS NULL")


def _dropped(database: duckdb.DuckDBPyConnection) -> dict[str, int]:
    found = database.execute(
        "SELECT why, count(*) FROM judged WHERE why IS NOT NULL GROUP BY why ORDER BY why"
    ).fetchall()
    dropped = {str(why): int(count) for why, count in found}
    (frames,) = _one(database, "SELECT count(*) FROM frames")
    (rows,) = _one(database, "SELECT count(*) FROM rows")
    return {**dropped, **({"warming_up": frames - rows} if frames > rows else {})}


def _part_rows(
    database: duckdb.DuckDBPyConnection, part: Part, since: Micros, until: Micros
) -> PartRows:
    rows, positives = _one(
        database, f"SELECT count(*), sum(label)::BIGINT FROM dataset WHERE split = '{part}'"
    )
    return PartRows(since, until, rows, positives)


def _nothing_left(recipe: Recipe, dropped: Mapping[str, int]) -> str:
    reasons = []
    if count := dropped.get("no_label"):
        staleness = format_duration(recipe.frame.max_staleness)
        label = recipe.label.tag if recipe.label else ""
        reasons.append(
            f"{count} have no good reading of {label} within max_staleness ({staleness}) before"
            " them"
        )
    if count := dropped.get("no_feature"):
        reasons.append(f"{count} have no feature at all")
    if count := dropped.get("missing_feature"):
        reasons.append(f"{count} lack a feature, which this algorithm does not bear")
    if count := dropped.get("warming_up"):
        reasons.append(f"{count} have fewer samples before them than a window needs")
    return f"no row is left of {sum(dropped.values())} frames: {'; '.join(reasons)}"


def _require_parts(rows: DatasetRows, split: Split) -> None:
    shares = {Part.TRAIN: split.train, Part.VALIDATION: split.validation, Part.TEST: split.test}
    for part, share in shares.items():
        if share > 0 and rows.parts[part].rows == 0:
            held = rows.parts[part]
            raise NoData(
                f"the {part} part has no row between {to_iso(held.since)} and {to_iso(held.until)};"
                f" {rows.kept} rows are in the others: widen dataset.range, its share, or lower"
                " split.gap"
            )


def _require_classes(rows: DatasetRows, recipe: Recipe) -> None:
    train = rows.parts[Part.TRAIN]
    if train.positives is not None and 0 < train.positives < train.rows:
        return
    which = "1" if train.positives else "0"
    label = recipe.label.tag if recipe.label else ""
    raise OneClassOnly(
        f"all {train.rows} training rows between {to_iso(train.since)} and {to_iso(train.until)}"
        f" have label {which} ({label}): widen dataset.range, raise split.train, or check"
        " label.positive"
    )


def _one(database: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    found = database.execute(query).fetchone()
    return tuple(found) if found else ()
