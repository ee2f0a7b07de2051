"""Frames and labels as SQL over samples: the meaning is that of `penstock.domain.frames`.

A property test holds both against each other, row by row. Statements run in order over the tables
`samples` (asset, tag, sample_at, number, text, quality; one row per asset, tag and time) and leave
`rows` (asset, event_time, one column f<n> per feature, label). Missing is NULL. A sample's number
is never NULL but NaN, so that a window sees the newest sample even where it tells nothing.
"""

from collections.abc import Iterator, Sequence

from penstock.domain.datasets import Label
from penstock.domain.frames import (
    NEEDS_SPAN,
    Aggregate,
    Feature,
    FrameDefinition,
    FrameMode,
)
from penstock.domain.readings import Quality, Value
from penstock.domain.time import Micros

_NAN = "'nan'::DOUBLE"
_LABEL_COLUMN = "label"


def statements(definition: FrameDefinition, label: Label | None) -> Iterator[str]:
    """Everything from `samples` to `rows`."""
    yield _frames(definition)
    tables: list[str] = []
    for position, select in enumerate(_feature_selects(definition)):
        yield f"CREATE TABLE part_{position} AS {select}"
        tables.append(f"part_{position}")
    if label is not None:
        yield f"CREATE TABLE labels AS {_label_select(definition, label)}"
        tables.append("labels")
    joins = " ".join(f"JOIN {table} USING (asset, event_time)" for table in tables)
    columns = ", ".join(feature_columns(definition))
    wanted = _LABEL_COLUMN if label else f"NULL::DOUBLE AS {_LABEL_COLUMN}"
    yield f"CREATE TABLE rows AS SELECT asset, event_time, {columns}, {wanted} FROM frames {joins}"


def feature_columns(definition: FrameDefinition) -> list[str]:
    """Columns of `rows` that hold the features: numbers, or lists of them for windows."""
    return [f"f{position}" for position in range(len(definition.features))]


def number_columns(definition: FrameDefinition) -> list[str]:
    """An expression over `rows` for each number of a frame, in the order of `feature_names`."""
    columns = feature_columns(definition)
    if definition.mode is FrameMode.ROW:
        return columns
    length = definition.samples or definition.context
    return [f"{column}[{i + 1}]" for column in columns for i in range(length)]


def _frames(definition: FrameDefinition) -> str:
    step = definition.every
    # Euclidean, as floor_to: times before 1970 round down too.
    floored = f"sample_at - ((sample_at % {step}) + {step}) % {step}" if step else "sample_at"
    tags = ", ".join(map(literal, definition.tags))
    return (
        "CREATE TABLE frames AS "
        f"SELECT asset, event_time, event_time + {max(step, 1)} AS seen_until FROM ("
        f"SELECT DISTINCT asset, {floored} AS event_time FROM samples WHERE tag IN ({tags}))"
    )


def _feature_selects(definition: FrameDefinition) -> Iterator[str]:
    numbered = list(enumerate(definition.features))
    if definition.mode is FrameMode.ROW:
        for tag in definition.tags:
            yield _row_select(definition, tag, [(n, f) for n, f in numbered if f.tag == tag])
        return
    for position, feature in numbered:
        if definition.samples:
            yield _last_samples_select(definition, position, feature)
        else:
            yield _last_steps_select(definition, position, feature)


def _row_select(
    definition: FrameDefinition, tag: str, features: Sequence[tuple[int, Feature]]
) -> str:
    """All features of one tag: each frame stands among the samples where its sight ends."""
    seen = [f"last_value({_number(f)} IGNORE NULLS) OVER seen AS n{n}" for n, f in features]
    spans = {f.over for _, f in features if f.aggregate in NEEDS_SPAN}
    over = [
        f"{_aggregate(f, _usable(definition, _number(f)))} AS s{n}"
        for n, f in features
        if f.aggregate in NEEDS_SPAN
    ]
    columns = [f"{_row_value(definition, n, f)} AS f{n}" for n, f in features]
    return (
        f"WITH events AS ({_events(tag)}), judged AS (SELECT asset, event_time, "
        f"{', '.join([*_NEWEST, *seen, *over])} FROM events {_windows(spans)}) "
        f"SELECT asset, event_time, {', '.join(columns)} FROM judged WHERE event_time IS NOT NULL"
    )


_NEWEST = (
    "last_value(sample_at IGNORE NULLS) OVER seen AS newest_at",
    "last_value(quality IGNORE NULLS) OVER seen AS newest_quality",
)


def _events(tag: str, samples: str = "samples", extra: Sequence[str] = ()) -> str:
    """Samples of a tag and the frames in one order; at a frame's limit the frame comes first."""
    more = "".join(f", {column}" for column in extra)
    nothing = "".join(f", NULL AS {column}" for column in extra)
    return (
        "SELECT asset, sample_at AS position, 1 AS kind, NULL::BIGINT AS event_time, sample_at, "
        f"number, text, quality{more} FROM {samples} WHERE tag = {literal(tag)} UNION ALL "
        "SELECT asset, seen_until, 0, event_time, NULL, NULL, NULL, NULL"
        f"{nothing} FROM frames"
    )


def _windows(spans: set[Micros]) -> str:
    named = [
        "seen AS (PARTITION BY asset ORDER BY position, kind "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    ]
    named += [
        f"span_{span} AS (PARTITION BY asset ORDER BY position "
        f"RANGE BETWEEN {span} PRECEDING AND 1 PRECEDING)"
        for span in sorted(spans)
    ]
    return f"WINDOW {', '.join(named)}"


def _aggregate(feature: Feature, usable: str) -> str:
    window = f"OVER span_{feature.over}"
    match feature.aggregate:
        case Aggregate.MEAN:
            return f"avg({usable}) {window}"
        case Aggregate.MIN | Aggregate.MAX:
            return f"{feature.aggregate}({usable}) {window}"
        case Aggregate.STD:
            return f"stddev_pop({usable}) {window}"
        case Aggregate.COUNT:
            return f"count({usable}) {window}::DOUBLE"
        case Aggregate.DELTA:
            last = f"last_value({usable} IGNORE NULLS) {window}"
            return f"{last} - first_value({usable} IGNORE NULLS) {window}"
        case Aggregate.LAST | Aggregate.AGE:
            raise ValueError(f"{feature.aggregate} looks at no span")


def _row_value(definition: FrameDefinition, position: int, feature: Feature) -> str:
    if feature.aggregate in NEEDS_SPAN:
        return f"s{position}"
    if feature.aggregate is Aggregate.AGE:
        return (
            "CASE WHEN newest_at IS NULL THEN NULL "
            "ELSE greatest(0.0::DOUBLE, (event_time - newest_at) / 1e6::DOUBLE) END"
        )
    return _last_value(definition, f"n{position}")


def _last_value(definition: FrameDefinition, newest: str) -> str:
    return (
        f"CASE WHEN newest_at >= event_time - {definition.max_staleness} "
        f"AND newest_quality <= {_worst_usable(definition)} AND NOT isnan({newest}) "
        f"THEN {newest} END"
    )


def _last_samples_select(definition: FrameDefinition, position: int, feature: Feature) -> str:
    """The last usable samples, among as many as the worker looks back over."""
    wanted = definition.samples
    numbers = (
        "SELECT asset, sample_at, rank, number AS value, row_number() OVER w AS nth, "
        f"lag(rank, {wanted - 1}) OVER w AS first_rank, list(number) OVER "
        f"(w ROWS BETWEEN {wanted - 1} PRECEDING AND CURRENT ROW) AS numbers FROM ("
        f"SELECT asset, sample_at, rank, {_number(feature)} AS number FROM ranked "
        f"WHERE {_is_usable(definition, _number(feature))}) "
        "WINDOW w AS (PARTITION BY asset ORDER BY sample_at)"
    )
    return (
        "WITH ranked AS (SELECT *, row_number() OVER (PARTITION BY asset ORDER BY sample_at) "
        f"AS rank FROM samples WHERE tag = {literal(feature.tag)}), "
        f"usable AS ({numbers}), "
        "marked AS (SELECT ranked.*, usable.nth FROM ranked "
        "LEFT JOIN usable USING (asset, sample_at)), "
        f"events AS ({_events(feature.tag, 'marked', ('rank', 'nth'))}), "
        "seen AS (SELECT asset, event_time, last_value(rank IGNORE NULLS) OVER seen AS newest, "
        f"last_value(nth IGNORE NULLS) OVER seen AS nth FROM events {_windows(set())}) "
        f"SELECT seen.asset, seen.event_time, usable.numbers AS f{position} "
        "FROM seen JOIN usable ON usable.asset = seen.asset AND usable.nth = seen.nth "
        f"WHERE seen.event_time IS NOT NULL AND seen.nth >= {wanted} "
        f"AND usable.first_rank > seen.newest - {definition.lookback()}"
    )


def _last_steps_select(definition: FrameDefinition, position: int, feature: Feature) -> str:
    """The last value of each step, missing where the step's newest sample is not usable."""
    step, length = definition.every, definition.context
    value = f"CASE WHEN {_is_usable(definition, _number(feature))} THEN {_number(feature)} END"
    stepped = (
        f"SELECT asset, sample_at - ((sample_at % {step}) + {step}) % {step} AS step_at, "
        f"{value} AS value FROM samples WHERE tag = {literal(feature.tag)} "
        "QUALIFY row_number() OVER (PARTITION BY asset, step_at ORDER BY sample_at DESC) = 1"
    )
    return (
        f"WITH steps AS ({stepped}) "
        f"SELECT frames.asset, frames.event_time, list(steps.value ORDER BY n) AS f{position} "
        f"FROM frames CROSS JOIN range({length}) AS offsets(n) LEFT JOIN steps "
        "ON steps.asset = frames.asset "
        f"AND steps.step_at = frames.event_time - ({length - 1} - n) * {step} "
        "GROUP BY frames.asset, frames.event_time"
    )


def _label_select(definition: FrameDefinition, label: Label) -> str:
    """The label tag's value at the event time, as fresh and as good as any `last` feature."""
    number = _present(_label_number(label))
    return (
        f"WITH events AS ({_events(label.tag)}), judged AS (SELECT asset, event_time, "
        f"{', '.join(_NEWEST)}, last_value({number} IGNORE NULLS) OVER seen AS newest "
        f"FROM events {_windows(set())}) "
        f"SELECT asset, event_time, {_last_value(definition, 'newest')} AS {_LABEL_COLUMN} "
        "FROM judged WHERE event_time IS NOT NULL"
    )


def _label_number(label: Label) -> str:
    if label.positive is None:
        return f"CASE WHEN isnan(number) THEN {_NAN} ELSE (number <> 0)::INT END"
    return (
        f"CASE WHEN text IS NULL AND isnan(number) THEN {_NAN} "
        f"ELSE ({_equals(label.positive)})::INT END"
    )


def _equals(value: Value) -> str:
    if isinstance(value, str):
        return f"coalesce(text = {literal(value)}, FALSE)"
    return f"text IS NULL AND number = {float(value or 0)!r}::DOUBLE"


def _number(feature: Feature) -> str:
    """Number of a sample for a feature; NULL for the frames between the samples."""
    if not feature.categories:
        return "number"
    known = "".join(
        f" WHEN {literal(category)} THEN {index}" for index, category in _first_places(feature)
    )
    return _present(f"CASE WHEN text IS NULL THEN number ELSE CASE text{known} ELSE {_NAN} END END")


def _first_places(feature: Feature) -> Iterator[tuple[int, str]]:
    for index, category in enumerate(feature.categories):
        if feature.categories.index(category) == index:
            yield index, category


def _present(number: str) -> str:
    return f"CASE WHEN quality IS NOT NULL THEN ({number})::DOUBLE END"


def _usable(definition: FrameDefinition, number: str) -> str:
    return f"CASE WHEN {_is_usable(definition, number)} THEN {number} END"


def _is_usable(definition: FrameDefinition, number: str) -> str:
    return f"quality <= {_worst_usable(definition)} AND NOT isnan({number})"


def _worst_usable(definition: FrameDefinition) -> int:
    return int(Quality.UNCERTAIN if definition.keep_uncertain else Quality.GOOD)


def literal(text: str) -> str:
    """Write text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
