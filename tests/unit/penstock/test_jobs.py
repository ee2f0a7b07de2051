import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.domain.datasets import MOST_CHILDREN, Label, Part, Pull, Slice, SliceState, Split
from penstock.domain.errors import IllegalTransition, InvalidInput
from penstock.domain.ids import DatasetId, JobId, SliceId, TagPath
from penstock.domain.jobs import (
    GIVE_UP_AFTER,
    RETRYABLE,
    TRANSITIONS,
    Job,
    JobStatus,
    PullVerdict,
    SliceOutcome,
    check_transition,
    judge_pull,
    may_become,
    slices_to_release,
    status_on_stop,
)
from penstock.domain.time import DAY, HOUR, SECOND, Micros, parse_iso

STATUSES = st.sampled_from(JobStatus)
FROM = parse_iso("2026-11-01T00:00:00Z")


def job(**parts: int | None) -> Job:
    return replace(
        Job(
            job_id=JobId("job-1"), run=1, status=JobStatus.PULLING, model="pump-failure",
            body="{}", dataset_id=DatasetId("ds_1"), created_at=FROM,
        ),
        **parts,  # type: ignore[arg-type]  # only counters are given
    )  # fmt: skip


def pull(*, days: int = 3, tags: int = 5, per_request: int = 2, window: int = DAY) -> Pull:
    return Pull(
        source="n3uron-site01", since=FROM, until=Micros(FROM + days * DAY),
        tags=tuple(TagPath(f"/SITE01/P-{n}/TEMP") for n in range(tags)),
        window=Micros(window), tags_per_request=per_request,
    )  # fmt: skip


@given(st.lists(STATUSES, max_size=30))
def test_no_path_leads_out_of_a_final_status(asked: list[JobStatus]) -> None:
    status = JobStatus.PENDING
    for wanted in asked:
        was_final = status.is_final
        try:
            check_transition(status, wanted)
        except IllegalTransition:
            continue
        assert not was_final
        status = wanted


def test_every_status_can_be_reached_and_can_end() -> None:
    reached = {JobStatus.PENDING}
    for _ in JobStatus:
        reached |= {after for status in reached for after in TRANSITIONS[status]}
    assert reached == set(JobStatus)
    assert {status for status in JobStatus if status.is_final} == RETRYABLE | {JobStatus.COMPLETED}
    assert all(
        JobStatus.FAILED in TRANSITIONS[status] for status in JobStatus if not status.is_final
    )


def test_success_comes_only_after_the_evaluation() -> None:
    assert set(may_become(JobStatus.COMPLETED)) == {
        JobStatus.EVALUATING, JobStatus.AWAITING_APPROVAL, JobStatus.DEPLOYING,
    }  # fmt: skip


def test_a_stop_is_at_once_while_nothing_runs_and_refused_while_an_endpoint_changes() -> None:
    assert status_on_stop(JobStatus.PULLING) is JobStatus.STOPPED
    assert status_on_stop(JobStatus.TRAINING) is JobStatus.STOPPING
    for status in (JobStatus.DEPLOYING, JobStatus.COMPLETED, JobStatus.STOPPING):
        with pytest.raises(IllegalTransition, match="cannot become"):
            status_on_stop(status)


def test_three_words_sum_up_every_status() -> None:
    assert JobStatus.COMPLETED.summary == "Completed"
    assert JobStatus.STOPPED.summary == "Failed"
    assert JobStatus.DEPLOYING.summary == "Running"


@pytest.mark.parametrize(
    ("planned", "open_count", "failed", "verdict"),
    [
        (None, 0, 0, PullVerdict.GOES_ON),
        (9, 1, 0, PullVerdict.GOES_ON),
        (9, 1, 3, PullVerdict.GOES_ON),
        (9, 0, 0, PullVerdict.COMPLETE),
        (0, 0, 0, PullVerdict.COMPLETE),
        (9, 0, 1, PullVerdict.FAILED),
        (None, 0, GIVE_UP_AFTER, PullVerdict.FAILED),
        (None, 1, GIVE_UP_AFTER, PullVerdict.GOES_ON),
    ],
)
def test_a_pull_is_over_when_planned_to_its_end_and_nothing_is_open(
    planned: int | None, open_count: int, failed: int, verdict: PullVerdict
) -> None:
    assert judge_pull(job(planned=planned, open=open_count, failed=failed)) is verdict


@given(
    released=st.integers(0, 200), open_count=st.integers(0, 50), concurrency=st.integers(1, 20),
    opened=st.integers(-1, 5),
)  # fmt: skip
def test_never_more_than_twice_the_concurrency_is_released(
    released: int, open_count: int, concurrency: int, opened: int
) -> None:
    now = job(released=released, open=open_count, concurrency=concurrency)
    count = slices_to_release(now, slice_count=200, opened=opened)
    assert 0 <= count <= 200 - released
    assert count == 0 or open_count + opened + count <= 2 * concurrency


def test_a_pull_that_only_fails_releases_no_more() -> None:
    assert slices_to_release(job(failed=GIVE_UP_AFTER), slice_count=200) == 0


def test_a_plan_covers_every_tag_at_every_time_once() -> None:
    plan = pull(days=3, tags=5, per_request=2)
    seen = [(tag, piece.since, piece.until) for piece in plan.slices() for tag in piece.tags]
    assert len(seen) == len(set(seen)) == 3 * 5
    assert plan.slice_count == 9
    assert [piece.slice_id for piece in plan.slices(first=7)] == ["000007", "000008"]


def test_the_last_slice_ends_with_the_range() -> None:
    plan = pull(days=1, window=5 * HOUR)
    assert [piece.until for piece in plan.slices()][-1] == FROM + DAY


def test_a_slice_outside_the_plan_is_refused() -> None:
    with pytest.raises(IndexError, match="9 slices"):
        pull().slice_at(9)


@given(st.integers(2, 10_000_000), st.integers(1, 4))
def test_halves_cover_what_their_parent_did(span: int, tags: int) -> None:
    paths = tuple(map(TagPath, "abcd"[:tags]))
    parent = Slice(SliceId("000012"), FROM, Micros(FROM + span * 1_000), paths)
    children = parent.halves()
    assert [child.slice_id for child in children] == ["000012.1", "000012.2"][: len(children)]
    covered = {(tag, child.since, child.until) for child in children for tag in child.tags}
    for tag in parent.tags if children else ():
        mine = sorted((since, until) for name, since, until in covered if name == tag)
        assert mine[0][0] == parent.since
        assert mine[-1][1] == parent.until
        assert all(a[1] == b[0] for a, b in itertools.pairwise(mine))


def test_an_atomic_slice_and_a_page_have_no_halves() -> None:
    second = Slice(SliceId("1"), FROM, Micros(FROM + SECOND), (TagPath("/A"),))
    assert second.halves() == ()
    assert replace(second, until=Micros(FROM + DAY), page=3).halves() == ()


def test_a_slice_becomes_a_child_for_each_page_up_to_what_a_transaction_holds() -> None:
    parent = Slice(SliceId("000001"), FROM, Micros(FROM + DAY), page_size=500)
    assert [(c.slice_id, c.page) for c in parent.pages(2)] == [("000001.1", 1), ("000001.2", 2)]
    with pytest.raises(InvalidInput, match="halve it"):
        parent.pages(MOST_CHILDREN + 1)


def test_an_outcome_settles_and_only_a_split_has_children() -> None:
    child = Slice(SliceId("1.1"), FROM, Micros(FROM + DAY))
    with pytest.raises(ValueError, match="OPEN"):
        SliceOutcome(SliceState.OPEN)
    with pytest.raises(ValueError, match="SPLIT"):
        SliceOutcome(SliceState.DONE, children=(child,))
    with pytest.raises(ValueError, match="SPLIT"):
        SliceOutcome(SliceState.SPLIT)


@given(st.integers(1, 10**13), st.integers(0, 10**12), st.floats(0.05, 0.7))
def test_parts_stand_in_order_with_the_gap_between_them(span: int, gap: int, train: float) -> None:
    split = Split(train, 0.2, 0.8 - train, Micros(gap))
    ranges = split.ranges(FROM, Micros(FROM + span))
    (a, b), (c, d), (e, f) = (ranges[part] for part in Part)
    assert a == FROM
    assert f == FROM + span + 1
    assert a <= b <= c <= d <= e <= f
    assert c == d or c - b in {gap, d - b}


def test_a_row_in_the_gap_belongs_to_no_part() -> None:
    split = Split(0.5, 0.0, 0.5, Micros(HOUR))
    last = Micros(FROM + DAY - 1)
    assert split.part_at(FROM, FROM, last) is Part.TRAIN
    assert split.part_at(Micros(FROM + 12 * HOUR), FROM, last) is None
    assert split.part_at(Micros(FROM + 13 * HOUR), FROM, last) is Part.TEST
    assert split.part_at(last, FROM, last) is Part.TEST


@pytest.mark.parametrize(
    ("label", "value", "number"),
    [
        (Label("F"), True, 1.0),
        (Label("F"), 0, 0.0),
        (Label("F"), 3, 1.0),
        (Label("STATE", "TRIPPED"), "TRIPPED", 1.0),
        (Label("STATE", "TRIPPED"), "RUNNING", 0.0),
    ],
)
def test_a_label_is_one_or_nought(label: Label, value: bool | int | str, number: float) -> None:
    assert label.number(value) == number


@pytest.mark.parametrize("value", [None, "RUNNING", float("nan")])
def test_an_unknown_label_is_missing(value: float | str | None) -> None:
    assert str(Label("F").number(value)) == "nan"
