"""Holds what arrived against what must have: nothing lost, nothing doubled, nothing stale."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from penstock_local.checking.expected import Expected, Place
from penstock_local.checking.stores import Row


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong in one store; all empty is right."""

    store: str
    rows: int
    lost: list[Place] = field(default_factory=list)
    doubled: list[Place] = field(default_factory=list)
    unexpected: list[Place] = field(default_factory=list)
    stale: list[Place] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """Whether the store holds each expected prediction once, in its newest revision."""
        return not (self.lost or self.doubled or self.unexpected or self.stale)

    def __str__(self) -> str:
        """Say what is wrong in one line, with an example of each kind."""
        kinds = ("lost", "doubled", "unexpected", "stale")
        wrong = [
            f"{len(places)} {kind}, as {places[0]}"
            for kind in kinds
            if (places := getattr(self, kind))
        ]
        return f"{self.store}: {'; '.join(wrong) or f'{self.rows} rows, each once'}"


def judge(expected: Expected, rows_by_store: Mapping[str, Sequence[Row]]) -> list[Findings]:
    """Judge every store.

    The lake keeps the exact features, so it is held against what was sent; the others must have the
    lake's newest revision and value. `latest` must have the newest event time of each asset.
    """
    truth = {row.place: row for row in rows_by_store["lake"]}
    return [
        _judge_latest(expected, truth, rows)
        if store == "latest"
        else _judge_store(store, expected, truth, rows)
        for store, rows in rows_by_store.items()
    ]


def _judge_store(
    store: str, expected: Expected, truth: Mapping[Place, Row], rows: Sequence[Row]
) -> Findings:
    counts = Counter(row.place for row in rows)
    return Findings(
        store=store,
        rows=len(rows),
        lost=sorted(expected.keys() - counts.keys()),
        doubled=sorted(place for place, count in counts.items() if count > 1),
        unexpected=sorted(counts.keys() - expected.keys()),
        stale=sorted({row.place for row in rows if _is_stale(row, expected, truth)}),
    )


def _judge_latest(expected: Expected, truth: Mapping[Place, Row], rows: Sequence[Row]) -> Findings:
    newest: dict[tuple[str, str], int] = {}
    for binding, asset, at in expected:
        newest[(binding, asset)] = max(at, newest.get((binding, asset), at))
    wanted = {(binding, asset, at) for (binding, asset), at in newest.items()}
    counts = Counter(row.place for row in rows)
    return Findings(
        store="latest",
        rows=len(rows),
        lost=sorted(wanted - counts.keys()),
        doubled=sorted(place for place, count in counts.items() if count > 1),
        unexpected=sorted(counts.keys() - wanted),
        stale=sorted({row.place for row in rows if _is_stale(row, expected, truth)}),
    )


def _is_stale(row: Row, expected: Expected, truth: Mapping[Place, Row]) -> bool:
    if row.features is not None and row.place in expected:
        return not _same(row.features, expected[row.place])
    newest = truth.get(row.place)
    if newest is None:
        return False  # lost in the lake, and told there
    return row.revision != newest.revision or not _same((row.value,), (newest.value,))


def _same(a: Sequence[float | None], b: Sequence[float | None]) -> bool:
    if len(a) != len(b):
        return False
    return all(
        (_is_nan(x) and _is_nan(y)) or (x is not None and y is not None and math.isclose(x, y))
        for x, y in zip(a, b, strict=True)
    )


def _is_nan(x: float | None) -> bool:
    return x is None or math.isnan(x)
