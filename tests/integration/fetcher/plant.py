"""The plant simulator's history server, in the loop of the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from penstock_local.plant.fault_layer import Application
from penstock_local.ports import LOOPBACK

from tests.fixtures.waiting import until


@asynccontextmanager
async def running(app: Application) -> AsyncIterator[int]:
    """Serve on a free port; yield it."""
    config = uvicorn.Config(
        app, host=LOOPBACK, port=0, lifespan="off", access_log=False, log_level="critical",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started, "the server has started")
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving
