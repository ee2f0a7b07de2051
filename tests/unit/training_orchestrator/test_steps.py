import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from penstock.domain.endpoints import TrainingStatus
from penstock.domain.errors import InvalidInput
from penstock.domain.jobs import Job, JobStatus
from penstock.domain.time import HOUR, MINUTE, Micros
from training_orchestrator.step import NameInUse, TrainingFailed, poll_wait

from tests.unit.training_orchestrator.mortal import Died, Life
from tests.unit.training_orchestrator.running import (
    deploying,
    evaluating,
    job_at,
    judged,
    left_behind,
    mortal_bench,
    trained,
    updating,
)
from tests.unit.training_orchestrator.world import STEPS, World


async def training(world: World) -> Job:
    job = await job_at(world, JobStatus.TRAINING)
    await world.do(job, "create_training_job")
    return await world.bench.jobs.load(job.job_id)


async def failed_by_its_host(world: World) -> Job:
    job = await training(world)
    name = world.bench.sagemaker_name(job)
    world.trainings.finish(name, TrainingStatus.FAILED, failure_reason="CapacityError: none left")
    return job


async def late(world: World) -> Job:
    job = await training(world)
    world.clock.advance(seconds=3 * 3600)
    return job


SCENES: list[tuple[str, Callable[[World], Awaitable[Job]]]] = [
    ("create_training_job", lambda world: job_at(world, JobStatus.TRAINING)),
    ("describe_training_job", failed_by_its_host),
    ("stop_training_job", late),
    ("evaluate_model", trained),
    ("evaluate_model", evaluating),
    ("create_model", judged),
    ("deploy_endpoint", deploying),
    ("deploy_endpoint", updating),
    ("clean_up", deploying),
]


@pytest.mark.parametrize(("step", "scene"), SCENES)
async def test_a_step_killed_after_any_effect_is_finished_by_its_repeat(
    step: str, scene: Callable[[World], Awaitable[Job]]
) -> None:
    """Whatever the dead process had done, the repeat leaves what one undisturbed run leaves."""
    undisturbed = World()
    job = await scene(undisturbed)
    counting = Life(10_000)
    expected = await STEPS[step].run(mortal_bench(undisturbed, counting), job)
    while scene is evaluating and expected.state == "pending":
        expected = await STEPS[step].run(mortal_bench(undisturbed, counting), job)
    effects = 10_000 - counting.left
    assert effects > 0
    for deadly in range(1, effects + 1):
        world = World()
        job = await scene(world)
        with pytest.raises(Died):
            await _run_to_death(world, Life(deadly), step, job)
        repeated = await world.do(job, step)
        while scene is evaluating and repeated.state == "pending":
            repeated = await world.do(job, step)
        assert repeated.state == expected.state
        assert same_outside_of_ids(undisturbed, world)


async def _run_to_death(world: World, life: Life, step: str, job: Job) -> None:
    bench = mortal_bench(world, life)
    for _ in range(10):
        await STEPS[step].run(bench, await world.bench.jobs.load(job.job_id))


def same_outside_of_ids(one: World, other: World) -> bool:
    ids = [list(world.store.items["jobs"]) for world in (one, other)]
    texts = [left_behind(one), left_behind(other)]
    for at, world_ids in enumerate(ids):
        for number, (job_id,) in enumerate(sorted(world_ids)):
            text = texts[at].replace(str(job_id), f"JOB{number}")
            texts[at] = text.replace(str(job_id).removeprefix("job-"), f"ULID{number}")
    return _settled(texts[0]) == _settled(texts[1])


def _settled(text: str) -> object:
    """Histories, audits and locks aside, which count how often something was tried."""
    things = json.loads(text)
    for table in ("steps", "audit", "leases"):
        things["tables"].pop(table, None)
    return things


async def test_a_training_is_ordered_with_all_that_the_job_says() -> None:
    world = World()
    job = await training(world)
    (order,) = world.trainings.orders.values()
    assert order.name == f"penstock-{job.job_id}-1-1"
    assert order.image == "sagemaker-xgboost:3.0-5"
    root = f"s3://penstock-training/datasets/{job.dataset_id}/"
    assert [(c.name, c.uri) for c in order.channels] == [
        ("train", f"{root}train/"), ("validation", f"{root}validation/"),
    ]  # fmt: skip
    assert order.output_uri == f"s3://penstock-training/models/{job.job_id}/run=1"
    assert order.hyperparameters["seed"] == "7"
    assert order.max_runtime == 2 * HOUR


async def test_an_empty_validation_part_is_no_channel() -> None:
    world = World()
    job = await job_at(world, JobStatus.TRAINING)
    await world.bench.datasets.finish(job.dataset_id, {"counts": {"train": 9, "validation": 0}})
    await world.do(job, "create_training_job")
    (order,) = world.trainings.orders.values()
    assert [channel.name for channel in order.channels] == ["train"]


async def test_the_image_may_be_the_deployments_own() -> None:
    world = World()
    world.bench = replace(
        world.bench,
        settings=world.settings.model_copy(update={"images": {"xgboost": "123.dkr/xgb:1"}}),
    )
    await training(world)
    assert next(iter(world.trainings.orders.values())).image == "123.dkr/xgb:1"


async def test_a_training_of_our_name_that_is_not_ours_is_not_adopted() -> None:
    world = World()
    job = await training(world)
    name = world.bench.sagemaker_name(job)
    foreign = replace(world.trainings.trainings[name], output_uri="s3://elsewhere/")
    world.trainings.trainings[name] = foreign
    with pytest.raises(NameInUse, match="not ours"):
        await world.do(job, "create_training_job")


async def test_an_unprepared_dataset_is_not_trained_on() -> None:
    world = World()
    job = await world.accepted()
    with pytest.raises(InvalidInput, match="not prepared"):
        await world.do(job, "create_training_job")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (TrainingStatus.IN_PROGRESS, "running"),
        (TrainingStatus.STOPPING, "running"),
        (TrainingStatus.COMPLETED, "completed"),
        (TrainingStatus.STOPPED, "stopped"),
    ],
)
async def test_a_status_of_the_training_chooses_the_way(status: TrainingStatus, state: str) -> None:
    world = World()
    job = await training(world)
    world.trainings.finish(world.bench.sagemaker_name(job), status)
    assert (await world.do(job, "describe_training_job")).state == state


@pytest.mark.parametrize("status", [TrainingStatus.FAILED, TrainingStatus.DELETING])
async def test_a_training_that_cannot_end_well_fails_the_job_in_its_own_words(
    status: TrainingStatus,
) -> None:
    world = World()
    job = await training(world)
    name = world.bench.sagemaker_name(job)
    world.trainings.finish(name, status, failure_reason="AlgorithmError: label is not 0 or 1")
    with pytest.raises(TrainingFailed, match=r"AlgorithmError: label|was deleted"):
        await world.do(job, "describe_training_job")


async def test_a_host_that_fails_gets_two_more_trainings_under_new_names() -> None:
    world = World()
    job = await training(world)
    for generation in (2, 3):
        name = world.bench.sagemaker_name(await world.bench.jobs.load(job.job_id))
        world.trainings.finish(name, TrainingStatus.FAILED, failure_reason="InternalServerError: x")
        assert (await world.do(job, "describe_training_job")).state == "again"
        assert (await world.do(job, "describe_training_job")).state == "again"  # a repeat
        assert (await world.bench.jobs.load(job.job_id)).generation == generation
        assert (await world.do(job, "create_training_job")).state == "running"
    name = world.bench.sagemaker_name(await world.bench.jobs.load(job.job_id))
    world.trainings.finish(name, TrainingStatus.FAILED, failure_reason="InternalServerError: x")
    with pytest.raises(TrainingFailed, match="InternalServerError"):
        await world.do(job, "describe_training_job")
    assert len(world.trainings.orders) == 3


async def test_a_stop_request_stops_the_training_and_says_who_asked() -> None:
    world = World()
    job = await training(world)
    stopping = await world.bench.jobs.move(
        job, JobStatus.STOPPING, stop_requested=True, reason="stopped by anna"
    )
    assert (await world.do(job, "describe_training_job")).state == "stop"
    assert (await world.do(job, "stop_training_job")).state == "stopping"
    name = world.bench.sagemaker_name(job)
    assert world.trainings.trainings[name].status is TrainingStatus.STOPPING
    world.trainings.finish(name, TrainingStatus.STOPPED)
    assert (await world.do(stopping, "describe_training_job")).reason == "stopped by anna"


async def test_a_time_limit_stops_the_training_and_says_which() -> None:
    world = World()
    job = await training(world)
    world.clock.advance(seconds=2 * 3600 + 1)
    assert (await world.do(job, "describe_training_job")).state == "stop"
    await world.do(job, "stop_training_job")
    stopping = await world.bench.jobs.load(job.job_id)
    assert stopping.status is JobStatus.STOPPING
    assert stopping.reason is not None
    assert "time limit of 2h" in stopping.reason


async def test_sagemakers_own_time_limit_is_told_as_one() -> None:
    world = World()
    job = await training(world)
    world.trainings.finish(
        world.bench.sagemaker_name(job),
        TrainingStatus.STOPPED,
        secondary_status="MaxRuntimeExceeded",
    )
    assert "time limit" in (await world.do(job, "describe_training_job")).reason


async def test_a_stop_before_the_training_makes_none() -> None:
    world = World()
    job = await job_at(world, JobStatus.TRAINING)
    await world.bench.jobs.move(job, JobStatus.STOPPING, stop_requested=True)
    assert (await world.do(job, "create_training_job")).state == "stopped"
    assert world.trainings.orders == {}


async def test_a_stop_while_evaluating_leaves_no_endpoint() -> None:
    world = World()
    job = await evaluating(world)
    await world.bench.jobs.move(job, JobStatus.STOPPING, stop_requested=True)
    assert (await world.do(job, "evaluate_model")).state == "stopped"
    assert not world.endpoints.endpoints
    assert not world.endpoints.configs
    assert not world.endpoints.models


async def test_cleaning_up_leaves_nothing_that_costs_or_blocks() -> None:
    world = World()
    job = await training(world)
    await world.do(job, "clean_up")
    name = world.bench.sagemaker_name(job)
    assert world.trainings.trainings[name].status is TrainingStatus.STOPPING


@pytest.mark.parametrize(
    ("elapsed", "wait"),
    [(0, 15), (9 * MINUTE, 15), (10 * MINUTE, 60), (59 * MINUTE, 60), (2 * HOUR, 300)],
)
def test_looks_get_rarer(elapsed: int, wait: int) -> None:
    assert poll_wait(Micros(elapsed), 15.0) == wait
    assert poll_wait(Micros(0), 0.2) == 1
