"""The fan-in: whatever order slices are settled in, and however often, the pull ends once."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.adapters.memory import FakeClock, MemoryKeyValueStore
from penstock.domain.datasets import Slice, SliceState
from penstock.domain.errors import StoreUnavailable, VersionConflict
from penstock.domain.jobs import Job, JobStatus, PullVerdict, SliceOutcome, judge_pull
from penstock.ports import Write
from penstock.resources import JOBS
from training_orchestrator.jobs_items import job_item, job_key
from training_orchestrator.jobs_store import JobsStore, recipe_of
from training_orchestrator.slices_store import SlicesStore

from tests.unit.training_orchestrator.factories import JOB_ID, make_job, make_request

DONE = SliceOutcome(SliceState.DONE, rows=100, bytes=2_000)
FAILED = SliceOutcome(SliceState.FAILED, reason="503 from the source")


async def stored(store: MemoryKeyValueStore, job: Job) -> Job:
    await store.write(Write(JOBS.name, job_key(job.job_id), put=job_item(job)))
    return job


def outcome_of(piece: Slice, choice: int) -> SliceOutcome:
    """Split some slices of the plan, fail some, and finish the rest."""
    if choice == 0 and "." not in piece.slice_id:
        return SliceOutcome(SliceState.SPLIT, children=piece.halves())
    return FAILED if choice == 1 else DONE


@given(seed=st.integers(0, 2**32), fails=st.booleans(), concurrency=st.integers(1, 6))
def test_a_pull_ends_once_under_shuffled_and_doubled_deliveries(
    seed: int, fails: bool, concurrency: int
) -> None:
    asyncio.run(_pull_to_its_end(random.Random(seed), fails=fails, concurrency=concurrency))


async def _pull_to_its_end(chance: random.Random, *, fails: bool, concurrency: int) -> None:
    store = MemoryKeyValueStore()
    jobs, slices = JobsStore(store, FakeClock()), SlicesStore(store, FakeClock())
    job = await stored(store, make_job(concurrency=concurrency))
    queue = list((await slices.begin_pull(job)).to_send)
    settled: set[str] = set()
    while queue:
        job = await jobs.load(JOB_ID)
        assert judge_pull(job) is PullVerdict.GOES_ON
        piece = chance.choice(queue)
        if chance.random() < 0.7:
            queue.remove(piece)  # else it is delivered again later
        outcome = outcome_of(piece, chance.randrange(0, 4) if fails else chance.choice([0, 2]))
        settlement = await slices.settle(JOB_ID, piece.slice_id, outcome)
        if piece.slice_id not in settled:
            settled.add(piece.slice_id)
            queue.extend(settlement.to_send)
        if all(one.slice_id in settled for one in queue):
            break
    job = await jobs.load(JOB_ID)
    states = [one.state async for one in slices.walk(job)]
    assert job.planned == job.released == recipe_of(job).pull.slice_count
    assert job.open == 0
    assert states.count(SliceState.OPEN) == 0
    assert job.failed == states.count(SliceState.FAILED)
    assert job.done == states.count(SliceState.DONE)
    assert job.rows == 100 * job.done
    expected = PullVerdict.FAILED if job.failed else PullVerdict.COMPLETE
    assert judge_pull(job) is expected


async def test_at_most_twice_the_concurrency_is_open() -> None:
    store = MemoryKeyValueStore()
    slices = SlicesStore(store, FakeClock())
    job = await stored(store, make_job(concurrency=3))
    queue = list((await slices.begin_pull(job)).to_send)
    assert len(queue) == 6
    while queue:
        settlement = await slices.settle(JOB_ID, queue.pop(0).slice_id, DONE)
        queue.extend(settlement.to_send)
        assert settlement.job.open == len(queue) <= 6


async def test_a_repeat_tells_again_what_the_first_time_opened() -> None:
    """Whoever settles and dies before sending leaves a redelivery that sends in its place."""
    store = MemoryKeyValueStore()
    slices = SlicesStore(store, FakeClock())
    job = await stored(store, make_job(concurrency=1))
    first, second = (await slices.begin_pull(job)).to_send
    once = await slices.settle(JOB_ID, first.slice_id, DONE)
    again = await slices.settle(JOB_ID, first.slice_id, FAILED)
    assert again == once
    assert again.job.failed == 0
    (third,) = once.to_send
    await slices.settle(JOB_ID, third.slice_id, DONE)
    assert (await slices.settle(JOB_ID, first.slice_id, DONE)).to_send == ()
    assert (await slices.load(job, second.slice_id)).state is SliceState.OPEN


async def test_fetchers_that_meet_on_the_job_all_get_through() -> None:
    store = MemoryKeyValueStore()
    jobs, slices = JobsStore(store, FakeClock()), SlicesStore(store, FakeClock())
    job = await stored(store, make_job(concurrency=20))
    pieces = (await slices.begin_pull(job)).to_send
    await asyncio.gather(*(slices.settle(JOB_ID, piece.slice_id, DONE) for piece in pieces))
    after = await jobs.load(JOB_ID)
    assert (after.open, after.done, after.planned) == (0, 16, 16)


async def test_slices_settled_after_a_stop_release_no_more() -> None:
    store = MemoryKeyValueStore()
    jobs, slices = JobsStore(store, FakeClock()), SlicesStore(store, FakeClock())
    job = await stored(store, make_job(concurrency=2))
    settlement = await slices.begin_pull(job)
    await jobs.move(settlement.job, JobStatus.STOPPED, reason="asked by an operator")
    after = await slices.settle(JOB_ID, settlement.to_send[0].slice_id, DONE)
    assert after.to_send == ()
    assert after.job.open == 3
    assert after.job.status is JobStatus.STOPPED


async def test_failed_slices_are_opened_again_for_a_retry() -> None:
    store = MemoryKeyValueStore()
    jobs, slices = JobsStore(store, FakeClock()), SlicesStore(store, FakeClock())
    job = await stored(store, make_job(concurrency=2))
    for piece in (await slices.begin_pull(job)).to_send[:3]:
        await slices.settle(JOB_ID, piece.slice_id, FAILED)
    await slices.reopen_failed(await jobs.load(JOB_ID))
    after = await jobs.load(JOB_ID)
    states = [one.state async for one in slices.walk(after)]
    assert after.failed == 0
    assert after.open == states.count(SliceState.OPEN) == len(states)


async def test_a_job_that_is_written_by_too_many_is_tried_again_later() -> None:
    def refuse(write: Write) -> None:
        if write.table == JOBS.name and "open" in write.add:
            raise VersionConflict("lost again")

    store = MemoryKeyValueStore()
    slices = SlicesStore(store, FakeClock())
    job = await stored(store, make_job(request=make_request()))
    (first, *_) = (await slices.begin_pull(job)).to_send
    slices = SlicesStore(store, FakeClock(), pause_seconds=0)
    store.on_write = refuse
    with pytest.raises(StoreUnavailable, match="too many"):
        await slices.settle(JOB_ID, first.slice_id, DONE)
