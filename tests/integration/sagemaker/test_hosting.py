"""Hosting and training by themselves: what does not come up, and bugs of ours."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from penstock_local.sagemaker.faults import Faults
from penstock_local.sagemaker.hosting import Hosting
from penstock_local.sagemaker.images import ImageMap, Program
from penstock_local.sagemaker.lifecycle import new_job
from penstock_local.sagemaker.records import (
    Deployment,
    Endpoint,
    EndpointStatus,
    JobStatus,
    VariantPlan,
)
from penstock_local.sagemaker.store import Store
from penstock_local.sagemaker.training import Training

from tests.fixtures.waiting import answered, until
from tests.integration.sagemaker.servers import is_alive
from tests.integration.sagemaker.tools import tools_in

_PING = """
touch "$SM_MODEL_DIR/ping"
exec python -m http.server "$SAGEMAKER_BIND_TO_PORT" --bind 127.0.0.1 --directory "$SM_MODEL_DIR"
"""
FORGOTTEN = ImageMap()


class Buggy(dict[str, Program]):
    """Raises what nobody expects of a registry."""

    def __contains__(self, name: object) -> bool:
        raise ZeroDivisionError(f"a bug about {name}")


def serving(script: str) -> ImageMap:
    return ImageMap({"pump:1": Program(train=None, serve=("/bin/sh", "-c", script))})


def an_endpoint() -> Endpoint:
    variant = VariantPlan(
        name="main",
        model="pump",
        image="pump:1",
        model_url=None,
        model_is_prefix=False,
        environment={},
        weight=1.0,
        instance_count=1,
        serverless=None,
        startup_timeout_seconds=None,
    )
    deployment = Deployment(id="d1", config_name="config", created_at=1.0, variants=(variant,))
    return Endpoint(
        name="pump",
        arn="arn",
        config_name="config",
        status=EndpointStatus.IN_SERVICE,
        created_at=1.0,
        modified_at=1.0,
        current=deployment,
    )


@asynccontextmanager
async def restored(
    store: Store, folder: Path, images: ImageMap, *, startup_seconds: float = 60
) -> AsyncIterator[Hosting]:
    async with tools_in(folder, images, startup_seconds=startup_seconds) as tools:
        hosting = Hosting(endpoints=store.tables.endpoints, faults=Faults(seed=7), tools=tools)
        hosting.restore()
        try:
            yield hosting
        finally:
            await hosting.close()


async def settled(store: Store) -> Endpoint:
    async def look() -> Endpoint | None:
        endpoint = store.tables.endpoints.get("pump")
        assert endpoint is not None
        return endpoint if endpoint.status is not EndpointStatus.CREATING else None

    return await answered(look, "the endpoint is settled", every_seconds=0.01)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    yield store
    store.close()


async def test_endpoint_that_could_not_come_back_gets_another_try_at_every_start(
    store: Store, tmp_path: Path
) -> None:
    store.tables.endpoints.put(an_endpoint())

    async with restored(store, tmp_path, FORGOTTEN):
        failed = await settled(store)
    async with restored(store, tmp_path, serving(_PING)) as hosting:
        back = await settled(store)
        fleet = hosting.fleet_of("pump")

    assert failed.status is EndpointStatus.FAILED
    assert "no program is registered" in (failed.failure_reason or "")
    assert back.status is EndpointStatus.IN_SERVICE
    assert back.failure_reason is None
    assert fleet is not None


async def test_program_that_never_answers_ping_is_ended_and_named(
    store: Store, tmp_path: Path
) -> None:
    store.tables.endpoints.put(an_endpoint())
    script = 'echo "pid $$"; exec sleep 600'

    async with restored(store, tmp_path, serving(script), startup_seconds=0.5):
        failed = await settled(store)

    reason = failed.failure_reason or ""
    assert "main did not pass the ping health check: no answer to /ping within 0.5 s" in reason
    assert not is_alive(int(reason.rpartition("pid ")[2]))


async def test_a_bug_leaves_an_endpoint_failed_and_not_in_progress(
    store: Store, tmp_path: Path
) -> None:
    store.tables.endpoints.put(an_endpoint())

    async with restored(store, tmp_path, ImageMap(Buggy())):
        failed = await settled(store)

    assert failed.status is EndpointStatus.FAILED
    assert "ZeroDivisionError" in (failed.failure_reason or "")


async def test_a_bug_leaves_a_training_failed_and_not_in_progress(
    store: Store, tmp_path: Path
) -> None:
    jobs, request = store.tables.jobs, {"AlgorithmSpecification": {"TrainingImage": "pump:1"}}

    def look() -> bool:
        job = jobs.get("pump-1")
        return job is not None and job.status is JobStatus.FAILED

    async with tools_in(tmp_path, ImageMap(Buggy())) as tools:
        training = Training(jobs=jobs, tools=tools)
        training.start(new_job(name="pump-1", arn="arn", request=request, tags={}, at=1.0))
        await until(look, "the training has failed")
        await training.close()

    job = jobs.get("pump-1")
    assert job is not None
    assert job.failure_reason == "InternalServerError: ZeroDivisionError('a bug about pump:1')"
