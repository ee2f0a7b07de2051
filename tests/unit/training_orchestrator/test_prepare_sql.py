"""The dataset's SQL and the worker's frames must never drift apart: this is the test of it."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
from hypothesis import given
from hypothesis import strategies as st
from penstock.domain.datasets import Label, SourceTag
from penstock.domain.frames import (
    NEEDS_SPAN,
    Aggregate,
    Feature,
    Frame,
    FrameDefinition,
    FrameMode,
    WarmingUp,
    compute_frame,
)
from penstock.domain.ids import AssetName, TagPath
from penstock.domain.readings import Quality, Value
from penstock.domain.samples import Sample, TagSamples
from penstock.domain.time import Micros
from penstock.source import SourceRecord
from training_orchestrator.dataset_sql import number_columns, statements
from training_orchestrator.prepare_samples import SampleLoader

from tests.properties import examples

ASSETS = (AssetName("P-101"), AssetName("P-102"))
TAGS = ("TEMP", "SPEED", "MODE")
LABEL_TAG = "FAILURE"
CATEGORIES = ("L", "M'", "H", "L")
SOURCE_TAGS = [
    SourceTag(TagPath(f"/S/{asset}/{tag}"), asset, tag)
    for asset in ASSETS
    for tag in (*TAGS, LABEL_TAG)
]


@dataclass(frozen=True)
class History:
    """A dense history made from a seed: ties, gaps and bad runs must meet spans and steps."""

    seed: int
    count: int
    span: int
    odd_share: float
    bad_share: float

    def records(self) -> list[SourceRecord]:
        dice = random.Random(self.seed)
        paths = [tag.path for tag in SOURCE_TAGS if dice.random() < 0.7]
        return [
            SourceRecord(
                dice.choice(paths), self._time(dice), self._value(dice), self._quality(dice)
            )
            for _ in range(self.count if paths else 0)
        ]

    def _time(self, dice: random.Random) -> Micros:
        return Micros(dice.randint(-10, self.span))

    def _value(self, dice: random.Random) -> Value:
        if dice.random() < self.odd_share:
            return dice.choice([True, False, None, "L", "M'", "H", "unheard of", "0", ""])
        return dice.choice([0, 1, dice.randint(-1_000, 1_000), dice.uniform(-1e4, 1e4)])

    def _quality(self, dice: random.Random) -> Quality:
        worse = dice.random() < self.bad_share
        return dice.choice([Quality.UNCERTAIN, Quality.BAD]) if worse else Quality.GOOD


shares = st.sampled_from([0.0, 0.2, 0.5, 0.9])
histories = st.builds(
    History, st.integers(0, 2**32), st.integers(0, 150), st.integers(0, 100), shares, shares
)
spans = st.integers(1, 60).map(Micros)
features = st.lists(
    st.builds(
        Feature,
        name=st.just("f"),
        tag=st.sampled_from(TAGS),
        aggregate=st.sampled_from(Aggregate),
        over=spans,
        categories=st.sampled_from([(), CATEGORIES]),
    ),
    min_size=1,
    max_size=5,
).map(tuple)


@st.composite
def definitions(draw: st.DrawFn) -> FrameDefinition:
    mode = draw(st.sampled_from([FrameMode.ROW, FrameMode.WINDOW]))
    every = Micros(draw(st.sampled_from([0, 1, 7, 20])))
    samples = context = 0
    if mode is FrameMode.WINDOW:
        samples = draw(st.integers(1, 4))
        if every and draw(st.booleans()):
            samples, context = 0, samples
    return FrameDefinition(
        mode=mode,
        features=draw(features),
        every=every,
        max_staleness=Micros(draw(st.sampled_from([0, 5, 30, 1_000]))),
        keep_uncertain=draw(st.booleans()),
        samples=samples,
        context=context,
    )


labels = st.builds(
    Label, st.just(LABEL_TAG), st.sampled_from([None, 1, 0, True, False, 2.5, "L", "0"])
)


def by_tag(asset: str, told: Sequence[SourceRecord]) -> dict[str, TagSamples]:
    """What the worker would hold."""
    found = {tag: TagSamples() for tag in (*TAGS, LABEL_TAG)}
    for record in told:
        _, _, of, tag = record.tag.split("/")
        if of == asset:
            sample = Sample(record.at, Micros(0), record.value, record.quality)
            found[tag] = found[tag].merged([sample])
    return found


Rows = dict[tuple[str, int], tuple[list[float], float]]


def rows_by_domain(definition: FrameDefinition, label: Label, told: Sequence[SourceRecord]) -> Rows:
    rows: Rows = {}
    as_row = FrameDefinition(
        FrameMode.ROW,
        (Feature("label", LABEL_TAG),),
        definition.every,
        definition.max_staleness,
        definition.keep_uncertain,
    )
    for asset in ASSETS:
        samples = by_tag(asset, told)
        labelled = {LABEL_TAG: labelled_samples(label, samples[LABEL_TAG])}
        seen = [s.at for tag in definition.tags for s in samples[tag].samples]
        for event_time in {definition.event_time(at) for at in seen}:
            outcome = compute_frame(definition, samples, event_time)
            if isinstance(outcome, WarmingUp):
                continue
            assert isinstance(outcome, Frame)
            target = compute_frame(as_row, labelled, event_time)
            assert isinstance(target, Frame)
            rows[asset, event_time] = (list(outcome.values), target.values[0])
    return rows


def labelled_samples(label: Label, known: TagSamples) -> TagSamples:
    def number(value: Value) -> float:
        return label.number(value)

    return TagSamples(
        tuple(Sample(s.at, s.accepted_at, number(s.value), s.quality) for s in known.samples)
    )


def rows_by_sql(definition: FrameDefinition, label: Label, told: Sequence[SourceRecord]) -> Rows:
    with duckdb.connect() as database:
        loader = SampleLoader(database)
        loader.add(told[1::2])
        loader.add(told[::2])
        loader.finish(SOURCE_TAGS, Micros(-(10**6)), Micros(10**6))
        for statement in statements(definition, label):
            database.execute(statement)
        columns = ", ".join(number_columns(definition))
        found = database.execute(f"SELECT asset, event_time, label, {columns} FROM rows").fetchall()
    numbers = [
        (asset, at, [math.nan if n is None else float(n) for n in (target, *rest)])
        for asset, at, target, *rest in found
    ]
    rows = {(asset, at): (rest, target) for asset, at, (target, *rest) in numbers}
    assert len(rows) == len(found), "an event time stands twice"
    return rows


def close(a: float, b: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


@examples(40)
@given(definitions(), labels, histories)
def test_sql_and_worker_make_the_same_frames(
    definition: FrameDefinition, label: Label, history: History
) -> None:
    assert_same_frames(definition, label, history)


def assert_same_frames(definition: FrameDefinition, label: Label, history: History) -> None:
    told = history.records()
    expected = rows_by_domain(definition, label, told)
    found = rows_by_sql(definition, label, told)
    assert found.keys() == expected.keys()
    for key, (numbers, target) in expected.items():
        got, got_target = found[key]
        assert len(got) == len(numbers) == definition.width
        assert all(map(close, got, numbers)), (key, got, numbers)
        assert close(got_target, target), (key, got_target, target)


def test_every_aggregate_is_among_those_compared() -> None:
    assert set(Aggregate) == NEEDS_SPAN | {Aggregate.LAST, Aggregate.AGE}
