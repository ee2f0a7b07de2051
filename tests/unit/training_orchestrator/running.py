"""Jobs brought to where a step finds them."""

import json
from dataclasses import replace
from typing import Any

import msgspec
from penstock.domain.endpoints import EndpointStatus, TrainingStatus
from penstock.domain.jobs import Job, JobStatus
from training_orchestrator.datasets_store import DatasetsStore, dataset_prefix
from training_orchestrator.jobs_store import JobsStore
from training_orchestrator.leases import Leases
from training_orchestrator.step import Workbench
from training_orchestrator.versions import Versions

from tests.unit.training_orchestrator.mortal import Life
from tests.unit.training_orchestrator.world import World

TEST_ROWS = "".join(f"{n % 2},{n % 2 + n / 1000},{n}\n" for n in range(200)).encode()


def classify(body: bytes) -> bytes:
    """A model that reads its first feature well."""
    firsts = [float(line.split(b",")[0] or b"nan") for line in body.splitlines()]
    scores = [{"score": min(max(first / 2, 0.01), 0.99)} for first in firsts]
    return msgspec.json.encode({"predictions": scores})


async def job_at(world: World, status: JobStatus, **parts: Any) -> Job:
    """A job whose dataset is prepared, in a status."""
    job = await world.accepted(**parts)
    manifest = {"counts": {"test": 200}, "trained_to": "2026-11-02T00:00:00Z"}
    await world.bench.datasets.finish(job.dataset_id, manifest)
    key = f"{dataset_prefix(job.dataset_id)}test/part-0.csv"
    await world.objects.put(key, TEST_ROWS)
    path = [JobStatus.PREPARING, JobStatus.TRAINING, JobStatus.EVALUATING, JobStatus.DEPLOYING]
    for step in path[: path.index(status) + 1] if status in path else []:
        job = await world.bench.jobs.move(job, step)
    return job


async def trained(world: World, **parts: Any) -> Job:
    """A job whose training has ended well, to be evaluated."""
    job = await job_at(world, JobStatus.EVALUATING, **parts)
    await world.do(job, "create_training_job")
    world.trainings.finish(world.bench.sagemaker_name(job), TrainingStatus.COMPLETED)
    world.on_invoke[world.bench.evaluation_name(job)] = classify
    return job


async def judged(world: World, **parts: Any) -> Job:
    """A job whose model was judged."""
    job = await trained(world, **parts)
    await world.do(job, "evaluate_model")
    world.endpoints.settle(world.bench.evaluation_name(job), EndpointStatus.IN_SERVICE)
    while (await world.do(job, "evaluate_model")).state != "done":
        pass
    return await world.bench.jobs.load(job.job_id)


async def deploying(world: World, **parts: Any) -> Job:
    """A job whose version is registered, to be deployed."""
    job = await judged(world, **parts)
    await world.do(job, "create_model")
    return await world.bench.jobs.move(await world.bench.jobs.load(job.job_id), JobStatus.DEPLOYING)


def mortal_bench(world: World, life: Life) -> Workbench:
    """The same workbench, in a process that dies."""
    store = life.of(world.store)
    return replace(
        world.bench,
        store=store,
        jobs=JobsStore(store, world.clock),
        datasets=DatasetsStore(store, world.clock),
        registry=type(world.bench.registry)(store),
        leases=Leases(store, world.clock),
        versions=Versions(store),
        trainings=life.of(world.trainings),
        endpoints=life.of(world.endpoints),
        objects=life.of(world.objects),
    )


def left_behind(world: World) -> str:
    """Everything that outlives the process, to be compared."""
    things = {
        "tables": {t: sorted(map(str, rows.items())) for t, rows in world.store.items.items()},
        "objects": sorted(world.objects.objects.items(), key=lambda one: one[0]),
        "trainings": {n: str(t) for n, t in world.trainings.trainings.items()},
        "orders": sorted(world.trainings.orders),
        "models": world.endpoints.models,
        "configs": {n: str(c) for n, c in world.endpoints.configs.items()},
        "endpoints": {n: str(e) for n, e in world.endpoints.endpoints.items()},
    }
    return json.dumps(things, default=str, sort_keys=True, indent=1)


ENDPOINT = "penstock-pump-failure"


async def updating(world: World) -> Job:
    """A version is deployed; the next one's endpoint is yet to be changed."""
    first = await deploying(world)
    await world.do(first, "deploy_endpoint")
    world.endpoints.settle(ENDPOINT, EndpointStatus.IN_SERVICE)
    await world.do(first, "deploy_endpoint")
    await world.bench.jobs.move(await world.bench.jobs.load(first.job_id), JobStatus.COMPLETED)
    await world.do(first, "clean_up")
    world.clock.advance(seconds=60)
    world.on_invoke[ENDPOINT] = classify
    return await deploying(world)


async def evaluating(world: World) -> Job:
    job = await trained(world)
    await world.do(job, "evaluate_model")
    world.endpoints.settle(world.bench.evaluation_name(job), EndpointStatus.IN_SERVICE)
    return job
