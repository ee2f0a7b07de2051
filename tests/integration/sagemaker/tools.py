"""What the local SageMaker's parts work with, for tests of one part without its server."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
from penstock_local.sagemaker.container import ContainerHost
from penstock_local.sagemaker.images import ImageMap
from penstock_local.sagemaker.isolation import Isolation
from penstock_local.sagemaker.logs import Logs
from penstock_local.sagemaker.objects import ObjectStore
from penstock_local.sagemaker.settings import Settings
from penstock_local.sagemaker.tools import Tools


@asynccontextmanager
async def tools_in(
    folder: Path, images: ImageMap, *, startup_seconds: float = 60
) -> AsyncIterator[Tools]:
    """Tools of this folder alone, with an S3 that nobody serves."""
    settings = Settings(
        port=4567,
        state_dir=folder,
        shutdown_grace_seconds=0.5,
        startup_timeout_seconds=startup_seconds,
    )
    objects = ObjectStore(endpoint_url="http://127.0.0.1:9", region="eu-west-1")
    with closing(objects):
        async with aiohttp.ClientSession() as http:
            yield Tools(
                settings=settings,
                images=images,
                host=ContainerHost(
                    isolation=Isolation("directory"),
                    root=folder / "overlays",
                    mark="test",
                    region="eu-west-1",
                    s3_endpoint_url=None,
                ),
                objects=objects,
                logs=Logs(folder / "logs"),
                http=http,
                starts=asyncio.Semaphore(1),
                clock=time.time,
            )
