"""The composition root: what the server owns, in which order it opens and closes."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from penstock_local.sagemaker.admin import Admin
from penstock_local.sagemaker.container import ContainerHost
from penstock_local.sagemaker.control import Control
from penstock_local.sagemaker.faults import Faults
from penstock_local.sagemaker.hosting import Hosting
from penstock_local.sagemaker.images import ImageMap
from penstock_local.sagemaker.isolation import Isolation
from penstock_local.sagemaker.logs import Logs
from penstock_local.sagemaker.names import Arns
from penstock_local.sagemaker.objects import ObjectStore
from penstock_local.sagemaker.operations.context import Context
from penstock_local.sagemaker.orphans import mark_of, sweep
from penstock_local.sagemaker.reaper import reaping
from penstock_local.sagemaker.runtime import Runtime
from penstock_local.sagemaker.service_model import load_service_models
from penstock_local.sagemaker.settings import Settings
from penstock_local.sagemaker.store import Store
from penstock_local.sagemaker.tools import Tools
from penstock_local.sagemaker.training import Training
from penstock_local.sagemaker.wire import ServiceError, control_error, runtime_error

log = structlog.get_logger(__name__)

# Servers in containers close idle connections after 2 s (gunicorn) or 5 s (uvicorn); a POST sent
# into that moment would be lost, so ours are closed first.
_KEEP_ALIVE_SECONDS = 1.0
_INVOCATIONS = "/endpoints/{name}/invocations"
_UNWRITTEN = (
    "/endpoints/{name}/invocations-response-stream",
    "/endpoints/{name}/async-invocations",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What was found out about this machine before the server starts."""

    store: Store
    images: ImageMap
    isolation: Isolation


def create_app(settings: Settings, machine: Machine) -> Starlette:
    """Make the ASGI app; its routes appear when what they need is open."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(machine.store.close)
            tools = await _open_tools(settings, machine, stack)
            app.router.routes.extend(await _open_service(machine, tools, stack))
            log.info("sagemaker.opened", port=settings.port, isolation=machine.isolation.mode)
            yield
        log.info("sagemaker.closed")

    return Starlette(lifespan=lifespan, exception_handlers={Exception: _internal_failure})


async def _open_tools(settings: Settings, machine: Machine, stack: AsyncExitStack) -> Tools:
    mark = await _open_mark(settings, stack)
    host = ContainerHost(
        isolation=machine.isolation,
        root=settings.state_dir / "overlays",
        mark=mark,
        region=settings.region,
        s3_endpoint_url=settings.s3_endpoint_url,
    )
    host.clear()
    objects = ObjectStore(endpoint_url=settings.s3_endpoint_url, region=settings.region)
    stack.callback(objects.close)
    connector = aiohttp.TCPConnector(
        limit=settings.max_connections, keepalive_timeout=_KEEP_ALIVE_SECONDS
    )
    http = aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=2),
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
    )
    return Tools(
        settings=settings,
        images=machine.images,
        host=host,
        objects=objects,
        logs=Logs(settings.state_dir / "logs"),
        http=await stack.enter_async_context(http),
        starts=asyncio.Semaphore(settings.parallel_starts),
        clock=_now,
    )


async def _open_mark(settings: Settings, stack: AsyncExitStack) -> str:
    """End what earlier runs left, and see to it that this one leaves nothing."""
    killed = await asyncio.to_thread(sweep, mark_of(settings.state_dir))
    if killed:
        log.warning("orphans.ended", count=killed)
    mark = mark_of(settings.state_dir, uuid.uuid4().hex)
    await stack.enter_async_context(reaping(mark))
    return mark


async def _open_service(machine: Machine, tools: Tools, stack: AsyncExitStack) -> list[BaseRoute]:
    settings, tables = tools.settings, machine.store.tables
    models = await asyncio.to_thread(load_service_models)
    arns = Arns(settings.region, settings.account)
    faults = Faults(seed=settings.seed)
    training = Training(jobs=tables.jobs, tools=tools)
    hosting = Hosting(endpoints=tables.endpoints, faults=faults, tools=tools)

    async def close() -> None:
        await asyncio.gather(training.close(), hosting.close())

    stack.push_async_callback(close)
    training.recover()
    hosting.restore()
    context = Context(
        arns=arns,
        tables=tables,
        images=machine.images,
        training=training,
        hosting=hosting,
        clock=_now,
    )
    runtime = Runtime(
        hosting=hosting,
        endpoints=tables.endpoints,
        faults=faults,
        tools=tools,
        shape=models.invocation_shape,
        arns=arns,
    )
    admin = Admin(tables=tables, logs=tools.logs, faults=faults, isolation=machine.isolation)
    control = Control(models=models, context=context)
    return [
        Route(_INVOCATIONS, runtime.invoke, methods=["POST"]),
        Route("/", control.answer, methods=["POST"]),
        Mount("/_penstock", routes=admin.routes()),
        *(Route(path, _unwritten, methods=["POST"]) for path in _UNWRITTEN),
    ]


async def _unwritten(_request: Request) -> Response:
    message = "Penstock's local SageMaker answers InvokeEndpoint only."
    return runtime_error(ServiceError("UnknownOperationException", message, status=501))


async def _internal_failure(_request: Request, error: Exception) -> Response:
    # The server logs the traceback once, after this answer.
    return control_error(ServiceError("InternalFailure", repr(error), status=500))


def _now() -> float:
    """Epoch seconds with AWS's millisecond resolution."""
    return round(time.time(), 3)
