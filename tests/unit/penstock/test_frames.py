"""What a frame is, and the promises that let workers share an asset without talking."""

import math
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.domain.errors import InvalidInput
from penstock.domain.frames import (
    NEEDS_SPAN,
    Aggregate,
    Feature,
    Frame,
    FrameDefinition,
    FrameMode,
    FrameOutcome,
    NotHeld,
    WarmingUp,
    compute_frame,
    keeping_for,
)
from penstock.domain.readings import Quality, Value
from penstock.domain.samples import Sample, TagSamples
from penstock.domain.time import Micros

TAGS = ("TEMP", "VIBRATION")
UNTIL = 120


def sample(
    at: int, value: Value = 1.0, quality: Quality = Quality.GOOD, accepted_at: int | None = None
) -> Sample:
    return Sample(Micros(at), Micros(at if accepted_at is None else accepted_at), value, quality)


def row(*features: Feature, **more: object) -> FrameDefinition:
    return FrameDefinition(mode=FrameMode.ROW, features=features, **more)  # type: ignore[arg-type]


def temp(aggregate: Aggregate = Aggregate.LAST, over: int = 0) -> Feature:
    return Feature("temp", "TEMP", aggregate, Micros(over))


def known(*samples: Sample) -> dict[str, TagSamples]:
    return {"TEMP": TagSamples().merged(samples)}


def numbers(outcome: FrameOutcome) -> tuple[float, ...]:
    assert isinstance(outcome, Frame)
    return outcome.values


samples = st.builds(
    sample,
    at=st.integers(0, UNTIL),
    value=st.one_of(
        st.none(), st.booleans(), st.integers(-9, 9), st.sampled_from([0.5, 7.25, "ON", "OFF"])
    ),
    quality=st.sampled_from([Quality.GOOD, Quality.GOOD, Quality.UNCERTAIN, Quality.BAD]),
    accepted_at=st.integers(0, 3),
)
arrivals = st.lists(st.tuples(st.sampled_from(TAGS), samples), max_size=40)


@st.composite
def features(draw: st.DrawFn) -> Feature:
    aggregate = draw(st.sampled_from(Aggregate))
    over = draw(st.integers(1, 40)) if aggregate in NEEDS_SPAN else 0
    categories = draw(st.sampled_from([(), ("OFF", "ON")]))
    name = f"f{draw(st.integers(0, 99))}"
    return Feature(name, draw(st.sampled_from(TAGS)), aggregate, Micros(over), categories)


@st.composite
def definitions(draw: st.DrawFn) -> FrameDefinition:
    mode = draw(st.sampled_from([FrameMode.ROW, FrameMode.WINDOW]))
    counts = mode is FrameMode.WINDOW and draw(st.booleans())
    steps = mode is FrameMode.WINDOW and not counts
    return FrameDefinition(
        mode=mode,
        features=tuple(draw(st.lists(features(), min_size=1, max_size=4))),
        every=Micros(draw(st.sampled_from([5, 12] if steps else [0, 1, 5, 12]))),
        max_staleness=Micros(draw(st.integers(1, 80))),
        keep_uncertain=draw(st.booleans()),
        samples=draw(st.integers(1, 4)) if counts else 0,
        context=draw(st.integers(1, 5)) if steps else 0,
    )


def gathered(arrived: Sequence[tuple[str, Sample]]) -> dict[str, TagSamples]:
    return {
        name: TagSamples().merged([sample for tag, sample in arrived if tag == name])
        for name in TAGS
    }


def told(definition: FrameDefinition, by_tag: Mapping[str, TagSamples], at: int) -> str:
    return repr(compute_frame(definition, by_tag, definition.event_time(Micros(at))))


def is_not_held(definition: FrameDefinition, by_tag: Mapping[str, TagSamples], at: int) -> bool:
    outcome = compute_frame(definition, by_tag, definition.event_time(Micros(at)))
    return isinstance(outcome, NotHeld)


@given(st.lists(samples), st.randoms(use_true_random=False))
def test_merging_is_a_union_whatever_the_order_and_the_repeats(
    arrived: list[Sample], random: "object"
) -> None:
    shuffled = [*arrived, *arrived[::2]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    one_by_one = TagSamples()
    for each in shuffled:
        one_by_one = one_by_one.merged([each])
    assert one_by_one == TagSamples().merged(arrived)
    assert [s.at for s in one_by_one.samples] == sorted({s.at for s in arrived})


@given(st.lists(samples))
def test_merging_what_is_known_changes_nothing(arrived: list[Sample]) -> None:
    union = TagSamples().merged(arrived)
    assert union.merged(arrived) is union


@given(arrivals, definitions(), st.integers(0, UNTIL), st.integers(0, 9), st.integers(0, UNTIL))
def test_trimming_never_changes_an_outcome_except_to_not_held(
    arrived: list[tuple[str, Sample]],
    definition: FrameDefinition,
    at: int,
    keep: int,
    since: int,
) -> None:
    full = gathered(arrived)
    cut = {tag: held.trimmed(keep=keep, since=Micros(since)) for tag, held in full.items()}
    told_after = told(definition, cut, at)
    assert told_after == told(definition, full, at) or is_not_held(definition, cut, at)


@given(arrivals, definitions(), definitions())
def test_the_newest_frame_survives_the_trimming_made_for_it(
    arrived: list[tuple[str, Sample]], definition: FrameDefinition, other: FrameDefinition
) -> None:
    full = gathered(arrived)
    newest = max((sample.at for _, sample in arrived), default=Micros(0))
    kept = {
        tag: keeping_for([definition, other], tag).trimmed(held, newest)
        for tag, held in full.items()
    }
    assert told(definition, kept, newest) == told(definition, full, newest)
    assert told(other, kept, newest) == told(other, full, newest)


@given(
    st.lists(arrivals, max_size=6),
    definitions(),
    st.integers(0, UNTIL),
    st.randoms(use_true_random=False),
)
def test_packs_merged_and_trimmed_in_any_order_tell_the_truth_or_that_they_cannot(
    packs: list[list[tuple[str, Sample]]],
    definition: FrameDefinition,
    at: int,
    random: "object",
) -> None:
    order = [*packs, *packs[::2]]
    random.shuffle(order)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    held = {tag: TagSamples() for tag in TAGS}
    newest = Micros(0)
    for pack in order:
        newest = max([newest, *(sample.at for _, sample in pack)])
        for tag in TAGS:
            union = held[tag].merged([sample for name, sample in pack if name == tag])
            held[tag] = keeping_for([definition], tag).trimmed(union, newest)
    truth = gathered([arrival for pack in packs for arrival in pack])
    assert told(definition, held, at) == told(definition, truth, at) or is_not_held(
        definition, held, at
    )


@given(arrivals, definitions(), st.integers(0, UNTIL))
def test_a_frame_has_as_many_numbers_as_its_definition_says(
    arrived: list[tuple[str, Sample]], definition: FrameDefinition, at: int
) -> None:
    outcome = compute_frame(definition, gathered(arrived), definition.event_time(Micros(at)))
    assert not isinstance(outcome, NotHeld), "nothing was let go"
    if isinstance(outcome, Frame):
        assert len(outcome.values) == definition.width == len(definition.feature_names)
        assert outcome.missing == sum(math.isnan(value) for value in outcome.values)


def test_the_later_accepted_value_of_one_instant_counts() -> None:
    first, later = sample(10, 1.0, accepted_at=20), sample(10, 2.0, accepted_at=30)
    for order in ([first, later], [later, first]):
        assert numbers(compute_frame(row(temp()), known(*order), Micros(10))) == (2.0,)


def test_two_values_accepted_at_once_are_settled_alike_in_any_order() -> None:
    one, other = sample(10, 1.0), sample(10, 2.0)
    assert TagSamples().merged([one, other]) == TagSamples().merged([other, one])


def test_last_is_missing_when_older_than_its_staleness() -> None:
    definition = row(temp(), max_staleness=Micros(5))
    assert numbers(compute_frame(definition, known(sample(10)), Micros(15))) == (1.0,)
    assert math.isnan(numbers(compute_frame(definition, known(sample(10)), Micros(16)))[0])


def test_a_bad_newest_sample_hides_the_good_one_before_it() -> None:
    samples_by_tag = known(sample(10), sample(12, 9.0, Quality.BAD))
    assert math.isnan(numbers(compute_frame(row(temp()), samples_by_tag, Micros(12)))[0])


def test_a_frame_with_a_step_sees_the_whole_step_and_nothing_after() -> None:
    definition = row(temp(), every=Micros(10))
    samples_by_tag = known(sample(19, 1.9), sample(20, 2.0))
    assert numbers(compute_frame(definition, samples_by_tag, Micros(10))) == (1.9,)


def test_uncertain_samples_count_only_where_the_definition_keeps_them() -> None:
    samples_by_tag = known(sample(10, 3.0, Quality.UNCERTAIN))
    kept = compute_frame(row(temp()), samples_by_tag, Micros(10))
    assert isinstance(kept, Frame)
    assert (kept.values, kept.quality) == ((3.0,), Quality.UNCERTAIN)
    dropped = compute_frame(row(temp(), keep_uncertain=False), samples_by_tag, Micros(10))
    assert isinstance(dropped, Frame)
    assert (dropped.missing, dropped.quality) == (1, Quality.BAD)


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        (Aggregate.MEAN, 4.0),
        (Aggregate.MIN, 2.0),
        (Aggregate.MAX, 6.0),
        (Aggregate.STD, math.sqrt(8 / 3)),
        (Aggregate.DELTA, 4.0),
        (Aggregate.COUNT, 3.0),
    ],
)
def test_aggregates_look_at_the_good_samples_of_their_span(
    aggregate: Aggregate, expected: float
) -> None:
    inside = [sample(11, 2.0), sample(15, 4.0), sample(17, 99.0, Quality.BAD), sample(20, 6.0)]
    definition = row(temp(aggregate, over=10))
    outcome = compute_frame(definition, known(sample(10, 50.0), *inside), Micros(20))
    assert numbers(outcome) == pytest.approx((expected,))


def test_age_is_seconds_since_the_newest_sample() -> None:
    definition = row(temp(Aggregate.AGE))
    assert numbers(compute_frame(definition, known(sample(1_000_000)), Micros(3_500_000))) == (2.5,)


def test_a_window_warms_up_then_holds_the_last_good_samples() -> None:
    definition = FrameDefinition(mode=FrameMode.WINDOW, features=(temp(),), samples=2)
    assert compute_frame(definition, known(sample(1)), Micros(9)) == WarmingUp("TEMP")
    full = known(sample(1, 1), sample(2, 2), sample(3, 3, Quality.BAD), sample(4, 4))
    assert numbers(compute_frame(definition, full, Micros(9))) == (2.0, 4.0)


def test_a_window_of_a_tag_that_is_bad_for_long_does_not_look_back_for_ever() -> None:
    definition = FrameDefinition(mode=FrameMode.WINDOW, features=(temp(),), samples=2)
    bad = [sample(at, 0, Quality.BAD) for at in range(10, 30)]
    full = known(sample(1, 1), sample(2, 2), *bad)
    kept = {"TEMP": keeping_for([definition], "TEMP").trimmed(full["TEMP"], Micros(29))}
    for samples_by_tag in (full, kept):
        assert compute_frame(definition, samples_by_tag, Micros(29)) == WarmingUp("TEMP")


def test_a_stale_repeat_of_a_sample_that_was_let_go_is_not_believed() -> None:
    held = TagSamples().merged([sample(at, accepted_at=at + 50) for at in range(20)])
    held = held.trimmed(keep=5, since=Micros(99)).merged([sample(14, 9.0, accepted_at=1)])
    outcome = compute_frame(row(temp()), {"TEMP": held}, Micros(14))
    assert outcome == NotHeld("TEMP")


def test_text_becomes_its_position_among_the_categories() -> None:
    valve = Feature("valve", "TEMP", categories=("SHUT", "OPEN"))
    assert numbers(compute_frame(row(valve), known(sample(1, "OPEN")), Micros(1))) == (1.0,)
    assert math.isnan(numbers(compute_frame(row(valve), known(sample(1, "AJAR")), Micros(1)))[0])


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"mode": FrameMode.ROW}, "frame.features"),
        ({"mode": FrameMode.ROW, "features": (temp(Aggregate.MEAN),)}, "needs `over`"),
        ({"mode": FrameMode.WINDOW, "features": (temp(),)}, "`samples`, or `context`"),
        ({"mode": FrameMode.WINDOW, "features": (temp(),), "context": 3}, "needs a `step`"),
    ],
)
def test_a_frame_that_could_never_be_computed_is_refused_by_field(
    fields: dict[str, object], told: str
) -> None:
    with pytest.raises(InvalidInput, match=told):
        FrameDefinition(**fields)  # type: ignore[arg-type]  # impossible on purpose
