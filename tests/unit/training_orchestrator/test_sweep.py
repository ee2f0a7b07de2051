import asyncio
import itertools

import pytest
from penstock.domain.datasets import SliceState
from penstock.domain.errors import StoreUnavailable
from penstock.domain.jobs import Job, JobStatus, SliceOutcome
from penstock.ports import Write
from training_orchestrator.sweep import LEASE, Sweeper

from tests.fixtures.waiting import PATIENCE_SECONDS
from tests.unit.training_orchestrator.factories import make_request
from tests.unit.training_orchestrator.running import job_at
from tests.unit.training_orchestrator.world import World

DONE = SliceOutcome(SliceState.DONE, rows=10)


def sweeper(world: World, holder: str = "orchestrator a", seconds: float = 30.0) -> Sweeper:
    return Sweeper(
        world.bench.jobs, world.state.distributor, world.executions, world.bench.leases,
        world.clock, holder=holder, sweep_seconds=seconds, stalled_seconds=300.0,
    )  # fmt: skip


async def reload(world: World, job: Job) -> Job:
    return await world.bench.jobs.load(job.job_id)


async def test_a_job_whose_acceptance_died_is_begun() -> None:
    world = World()
    job = await world.accepted()
    await sweeper(world).sweep()
    assert (await reload(world, job)).status is JobStatus.PENDING  # its request may still be at it
    world.clock.advance(seconds=11)
    await sweeper(world).sweep()
    assert (await reload(world, job)).status is JobStatus.PULLING
    assert len(world.slices.bodies) == 4


async def test_slices_that_were_never_sent_are_sent_when_a_pull_stands_still() -> None:
    world = World()
    job = await world.accepted()
    await world.state.distributor.begin(job)
    for delivery in await world.slices.receive(at_most=10, wait_seconds=0):
        await delivery.ack()  # lost
    world.clock.advance(seconds=299)
    await sweeper(world).sweep()
    assert world.slices.bodies == []
    world.clock.advance(seconds=2)
    await sweeper(world).sweep()
    await sweeper(world).sweep()
    assert len(world.slices.bodies) == 4


async def test_an_execution_that_is_missing_is_started() -> None:
    """The last fetcher dies between its transaction and the start."""
    world = World()
    job = await world.accepted(dataset=make_request()["dataset"] | {"slicing": {"window": "2d"}})
    await world.state.distributor.begin(job)

    def die(_name: str) -> None:
        raise StoreUnavailable("killed here")

    world.executions.on_start = die
    with pytest.raises(StoreUnavailable):
        await world.state.distributor.settle(job.job_id, "000000", DONE)
    assert world.executions.payloads == {}
    world.executions.on_start = None
    await sweeper(world).sweep()
    assert list(world.executions.payloads) == [f"{job.job_id}-1"]


@pytest.mark.parametrize("ended", ["FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED"])
async def test_an_execution_that_ended_without_deciding_fails_its_job(ended: str) -> None:
    world = World()
    job = await job_at(world, JobStatus.TRAINING)
    world.executions.statuses[job.execution_name] = ended
    await sweeper(world).sweep()
    failed = await reload(world, job)
    assert failed.status is JobStatus.FAILED
    assert f"({ended}) without deciding" in (failed.reason or "")


async def test_a_stopping_job_whose_execution_ended_is_stopped() -> None:
    world = World()
    job = await job_at(world, JobStatus.TRAINING)
    await world.bench.jobs.move(job, JobStatus.STOPPING, reason="stopped by anna")
    world.executions.statuses[job.execution_name] = "ABORTED"
    await sweeper(world).sweep()
    stopped = await reload(world, job)
    assert (stopped.status, stopped.reason) == (JobStatus.STOPPED, "stopped by anna")


async def test_running_executions_and_finished_jobs_are_left_alone() -> None:
    world = World()
    job = await job_at(world, JobStatus.TRAINING)
    world.executions.statuses[job.execution_name] = "RUNNING"
    before = await reload(world, job)
    await sweeper(world).sweep()
    assert await reload(world, job) == before
    done = await world.bench.jobs.move(before, JobStatus.FAILED)
    await sweeper(world).sweep()
    assert await reload(world, job) == done


async def test_only_the_holder_of_the_lease_sweeps() -> None:
    world = World()
    await world.bench.leases.acquire(LEASE, "orchestrator b", seconds=60)
    job = await world.accepted()
    world.clock.advance(seconds=11)
    begun = begun_by(world)
    running = asyncio.create_task(sweeper(world, seconds=0.002).run(world.stop))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(begun.wait(), 0.01)
    world.clock.advance(seconds=60)
    await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
    world.stop.set()
    await running
    assert (await reload(world, job)).status is JobStatus.PULLING


async def test_a_store_that_is_away_is_tried_again_next_time() -> None:
    world = World()
    await world.accepted()
    world.clock.advance(seconds=11)
    begun = begun_by(world, failures=1)
    running = asyncio.create_task(sweeper(world, seconds=0.001).run(world.stop))
    await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
    world.stop.set()
    await running


def begun_by(world: World, failures: int = 0) -> asyncio.Event:
    """Set when a job is moved to PULLING; the first writes of all fail."""
    begun = asyncio.Event()
    writes = itertools.count()

    def on_write(write: Write) -> None:
        if next(writes) < failures:
            raise StoreUnavailable("away")
        if write.set.get("status") == JobStatus.PULLING:
            begun.set()

    world.store.on_write = on_write
    return begun
