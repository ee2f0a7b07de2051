"""Hosting by itself: endpoints that do not come up."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from penstock_local.sagemaker.container import ContainerHost
from penstock_local.sagemaker.faults import Faults
from penstock_local.sagemaker.hosting import Hosting
from penstock_local.sagemaker.images import ImageMap, Program
from penstock_local.sagemaker.isolation import Isolation
from penstock_local.sagemaker.logs import Logs
from penstock_local.sagemaker.objects import ObjectStore
from penstock_local.sagemaker.records import Deployment, Endpoint, EndpointStatus, VariantPlan
from penstock_local.sagemaker.settings import Settings
from penstock_local.sagemaker.store import Store
from penstock_local.sagemaker.tools import Tools

from tests.integration.sagemaker.servers import is_alive

_PING = """
touch "$SM_MODEL_DIR/ping"
exec python -m http.server "$SAGEMAKER_BIND_TO_PORT" --bind 127.0.0.1 --directory "$SM_MODEL_DIR"
"""
FORGOTTEN = ImageMap()


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
    store: Store, folder: Path, images: ImageMap, *, startup_seconds: float = 20
) -> AsyncIterator[Hosting]:
    settings = Settings(
        port=4567,
        state_dir=folder,
        shutdown_grace_seconds=0.5,
        startup_timeout_seconds=startup_seconds,
    )
    async with aiohttp.ClientSession() as http:
        tools = Tools(
            settings=settings,
            images=images,
            host=ContainerHost(
                isolation=Isolation("directory"),
                root=folder / "overlays",
                mark="test",
                region="eu-west-1",
                s3_endpoint_url=None,
            ),
            objects=ObjectStore(endpoint_url="http://127.0.0.1:9", region="eu-west-1"),
            logs=Logs(folder / "logs"),
            http=http,
            starts=asyncio.Semaphore(1),
            clock=time.time,
        )
        hosting = Hosting(endpoints=store.tables.endpoints, faults=Faults(seed=7), tools=tools)
        hosting.restore()
        try:
            yield hosting
        finally:
            await hosting.close()
            tools.objects.close()


async def settled(store: Store) -> Endpoint:
    async with asyncio.timeout(20):
        while True:
            endpoint = store.tables.endpoints.get("pump")
            assert endpoint is not None
            if endpoint.status is not EndpointStatus.CREATING:
                return endpoint
            await asyncio.sleep(0.01)


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
