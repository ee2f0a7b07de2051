"""What readings of an asset lead to, told in small."""

from collections.abc import Sequence
from dataclasses import replace

from inference_worker.arrivals import Arrival, Fate, Range
from inference_worker.bound import BoundAsset
from inference_worker.plan import Plan, joined, plan
from inference_worker.state import PACKS_AT_MOST, AssetState
from penstock.domain.assets import Trigger
from penstock.domain.frames import Aggregate, Feature, FrameDefinition, FrameMode
from penstock.domain.ids import PackId
from penstock.domain.predictions import PredictionFlag
from penstock.domain.readings import Quality, ReadingFlag
from penstock.domain.time import MINUTE, Micros

from tests.unit.inference_worker.plants import arrival, binding, bound, last, row

P0 = PackId("p0")


def after(asset: BoundAsset, *packs: Sequence[Arrival]) -> AssetState:
    state = AssetState()
    for pack in packs:
        state = plan(asset, state, pack).state
    return state


def times(planned: Plan) -> list[int]:
    return [row.event_time for row in planned.rows]


def scans(*seconds: int) -> list[list[Arrival]]:
    return [
        [arrival(at, at, pack=f"s{at}"), arrival(at, -at, tag="VIBRATION", pack=f"s{at}")]
        for at in seconds
    ]


def test_tags_of_one_time_make_one_frame() -> None:
    planned = plan(bound(), AssetState(), [arrival(5, 1), arrival(5, 2, tag="VIBRATION")])
    (row_,) = planned.rows
    assert (row_.event_time, row_.features, row_.revision) == (5, [1, 2], 1)
    assert planned.fates == {P0: {Fate.FRAMED: 2}}
    assert planned.packs == (P0,)


def test_settle_gathers_the_tags_of_one_scan() -> None:
    asset = bound(binding(trigger=Trigger(settle=Micros(10))))
    planned = plan(asset, AssetState(), [arrival(21, 1), arrival(27, 2, tag="VIBRATION")])
    (row_,) = planned.rows
    assert (row_.event_time, row_.features) == (20, [1, 2])


def test_later_tags_of_a_step_are_a_correction_with_a_higher_revision() -> None:
    asset = bound(binding(row(*last("TEMP", "VIBRATION"), every=Micros(10))))
    state = after(asset, [arrival(21, 1)])
    (row_,) = plan(asset, state, [arrival(27, 2, tag="VIBRATION", pack="p1")]).rows
    assert (row_.event_time, row_.features, row_.revision) == (20, [1, 2], 2)


def test_only_listed_tags_ask_and_the_others_still_reach_frames_made_before() -> None:
    asset = bound(binding(trigger=Trigger(on=("TEMP",))))
    first = plan(asset, AssetState(), [arrival(5, 2, tag="VIBRATION")])
    assert first.rows == ()
    assert first.fates == {P0: {Fate.STATE_ONLY: 1}}
    asked = plan(asset, first.state, [arrival(6, 1, pack="p1")])
    assert times(asked) == [6]
    late = plan(asset, asked.state, [arrival(6, 3, tag="VIBRATION", pack="p2")])
    assert [(r.event_time, r.features, r.revision) for r in late.rows] == [(6, [1, 3], 3)]


def test_a_clock_asks_at_every_boundary_that_the_readings_cross() -> None:
    asset = bound(binding(trigger=Trigger(every=Micros(10))))
    state = after(asset, [arrival(3, 1)])
    planned = plan(asset, state, [arrival(34, 2, pack="p1")])
    assert times(planned) == [10, 20, 30]
    assert {tuple(row.features[:1]) for row in planned.rows} == {(1,)}


def test_a_clock_asks_once_about_a_gap_in_which_nothing_can_be_seen_any_more() -> None:
    frame = row(*last("TEMP"), max_staleness=Micros(25))
    asset = bound(binding(frame, trigger=Trigger(every=Micros(10)), min_features_present=0))
    planned = plan(asset, after(asset, [arrival(3, 1)]), [arrival(1_000_004, 2, pack="p1")])
    assert times(planned) == [10, 20, 1_000_000]


def test_a_resent_reading_that_says_nothing_new_disturbs_nobody() -> None:
    asset = bound(binding(row(*last("TEMP")), trigger=Trigger(on=("VIBRATION",))))
    state = after(asset, *scans(1, 2, 3))
    planned = plan(asset, state, [arrival(2, 2, accepted_at=99, pack="again")])
    assert planned.rows == ()
    assert planned.ranges == ()
    assert planned.is_changed, "the later time of acceptance counts if another value comes"


def test_a_reading_changed_afterwards_changes_the_frames_that_saw_it() -> None:
    asset = bound()
    state = after(asset, *scans(1, 2, 3))
    planned = plan(asset, state, [arrival(2, 50, accepted_at=99, pack="p9")])
    assert [(r.event_time, r.features) for r in planned.rows] == [(2, [50, -2])]


def test_a_repeat_is_told_again_with_the_version_that_is_there() -> None:
    asset = bound()
    packs = scans(1, 2, 3)
    state = after(asset, *packs)
    planned = plan(asset, state, packs[1])
    assert not planned.is_changed
    assert [(r.event_time, r.features, r.revision) for r in planned.rows] == [(2, [2, -2], 3)]


def test_a_repeat_that_newer_data_has_overtaken_goes_to_corrections_in_order() -> None:
    asset = bound()
    packs = scans(*range(1, 30))
    state = after(asset, *packs)
    planned = plan(asset, state, packs[1])
    assert planned.rows == ()
    assert planned.ranges == (Range(Micros(2), Micros(24)),), "25 is the first that is held"
    assert planned.state.version == state.version + 1, "corrections are ordered by their versions"
    assert planned.fates == {PackId("s2"): {Fate.CORRECTIONS: 2}}


def test_the_state_remembers_the_packs_that_may_not_be_archived_yet() -> None:
    state = after(bound(), *scans(*range(1, 40)))
    assert state.packs == tuple(PackId(f"s{at}") for at in range(1, 40))


def test_a_state_names_a_bounded_number_of_packs() -> None:
    before = replace(AssetState(), packs=tuple(PackId(f"p{n}") for n in range(PACKS_AT_MOST)))
    (scan,) = scans(1)
    state = plan(bound(), before, scan).state
    assert len(state.packs) == PACKS_AT_MOST
    assert (state.packs[0], state.packs[-1]) == ("p1", "s1")


def test_a_late_reading_asks_for_all_frames_that_it_may_have_changed() -> None:
    frame = row(Feature("mean", "TEMP", Aggregate.MEAN, Micros(10)))
    asset = bound(binding(frame))
    state = after(asset, *scans(*range(100, 160)))
    planned = plan(asset, state, [arrival(120, 7, accepted_at=999, pack="p9")])
    assert planned.rows == ()
    assert planned.ranges == (Range(Micros(120), Micros(129)),)


def test_a_reading_past_its_grace_asks_for_nothing_but_is_known_from_then_on() -> None:
    asset = bound(binding(grace=10))
    state = after(asset, *scans(100))
    planned = plan(asset, state, [arrival(89, 7, pack="p9")])
    assert (planned.rows, planned.ranges) == ((), ())
    assert planned.fates == {PackId("p9"): {Fate.LATE: 1}}
    assert [s.at for s in planned.state.samples["TEMP"].samples] == [89, 100]


def test_a_frame_with_too_few_features_is_skipped_and_counted() -> None:
    asset = bound(binding(min_features_present=2))
    planned = plan(asset, AssetState(), [arrival(5, 1)])
    assert planned.rows == ()
    assert planned.skipped == 1
    assert planned.fates == {P0: {Fate.WARMING_UP: 1}}


def test_a_window_warms_up_before_it_asks() -> None:
    window = FrameDefinition(mode=FrameMode.WINDOW, features=last("TEMP"), samples=3)
    asset = bound(binding(window))
    state = AssetState()
    told = []
    for at in range(1, 5):
        planned = plan(asset, state, [arrival(at, at)])
        told.append([row.features for row in planned.rows])
        state = planned.state
    assert told == [[], [], [[1, 2, 3]], [[2, 3, 4]]]


def test_a_tag_that_nothing_reads_any_more_is_forgotten() -> None:
    state = after(bound(), *scans(1, 2))
    narrower = bound(binding(row(*last("TEMP"))))
    planned = plan(narrower, state, [arrival(3, 3, pack="p9")])
    assert set(planned.state.samples) == {"TEMP"}


def test_a_reading_of_a_tag_that_no_binding_reads_is_unbound() -> None:
    planned = plan(bound(), AssetState(), [arrival(1, tag="NOISE")])
    assert not planned.is_changed
    assert planned.fates == {P0: {Fate.UNBOUND: 1}}


def test_the_earliest_reading_of_a_frame_tells_when_it_was_received() -> None:
    one = arrival(5, 1, accepted_at=90)._replace(trace="t-late", flags=ReadingFlag.ASSUMED_TIME)
    other = arrival(5, 2, tag="VIBRATION", accepted_at=70, pack="p1")._replace(trace="t-early")
    planned = plan(bound(), AssetState(), [one, other])
    (row_,) = planned.rows
    assert (row_.received_at, row_.trace) == (70, "t-early")
    assert row_.flags == PredictionFlag.ASSUMED_TIME
    assert planned.packs == (PackId("p1"),)


def test_bad_quality_is_missing_and_told() -> None:
    planned = plan(
        bound(), AssetState(), [arrival(5, 1, quality=Quality.BAD), arrival(5, 2, tag="VIBRATION")]
    )
    (row_,) = planned.rows
    assert (row_.features_missing, row_.quality) == (1, Quality.BAD)


def test_ranges_that_lie_near_each_other_are_corrected_together() -> None:
    def ranges(*pairs: tuple[int, int]) -> list[Range]:
        return [Range(Micros(since), Micros(until)) for since, until in pairs]

    near = 5 * MINUTE
    told = joined(ranges((near * 9, near * 9), (3, 4), (1, 9), (near, near + 1)))
    assert told == tuple(ranges((1, near + 1), (near * 9, near * 9)))
