"""Composition root: what the process owns, in the order in which it opens and closes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import FastAPI
from opentelemetry.sdk.trace.export import SpanExporter
from penstock.adapters.aws import arn_of, aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.sns import SnsPublisher
from penstock.channels.readings import CHANNEL
from penstock.domain.errors import StoreUnavailable
from penstock.gateways import GatewayStore
from penstock.ports import Clock, KeyValueStore, Publisher
from penstock.resources import physical_name
from penstock.runtime.clock import SystemClock
from penstock.runtime.http import Check, install
from penstock.runtime.lifecycle import Stop, owned_task
from penstock.runtime.span_export import TracedProcess
from starlette.types import Receive, Scope, Send

from ingest_api.accept import Acceptor
from ingest_api.gateway_directory import GatewayDirectory
from ingest_api.group_commit import GroupCommit
from ingest_api.idempotency import KeptAnswers
from ingest_api.metrics import TalliedMetrics
from ingest_api.packs import Packer
from ingest_api.recognise import Formats, discovered_formats
from ingest_api.request_body import BodyReader
from ingest_api.routes.openapi import describe
from ingest_api.routes.readings import ROUTES, Door
from ingest_api.settings import Settings

SERVICE = "ingest-api"
PING_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Outside:
    """The outside world, real or in memory; `ping` proves that the topic can be reached."""

    publisher: Publisher
    store: KeyValueStore
    ping: Check


class IngestApp:
    """The door for gateways, with FastAPI beside it for everything else.

    The lifespan puts the door in: a server takes no request before.
    """

    def __init__(self, api: FastAPI) -> None:
        """Start closed."""
        self.api = api
        self.door: Door | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send gateways to the door and all others to FastAPI."""
        is_for_door = scope["type"] == "http" and scope["path"].rstrip("/") in ROUTES
        if is_for_door and self.door is not None:
            await self.door(scope, receive, send)
        else:
            await self.api(scope, receive, send)


def create_app(
    settings: Settings,
    *,
    outside: Outside | None = None,
    clock: Clock | None = None,
    spans: SpanExporter | None = None,
) -> IngestApp:
    """Build the application; `outside`, `clock` and `spans` replace the real ones in tests."""
    clock = clock or SystemClock()
    metrics = TalliedMetrics(SERVICE)
    traced = TracedProcess(settings, SERVICE, metrics, exporter=spans)
    checks: dict[str, Check] = {}
    known = discovered_formats()

    @contextlib.asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(metrics.close)
            stack.push_async_callback(traced.close)
            world = outside
            if world is None:
                world = await stack.enter_async_context(_real_outside(settings))
            directory = GatewayDirectory(
                GatewayStore(world.store, clock), clock, metrics, settings.gateways
            )
            commit = GroupCommit(
                world.publisher, Packer(clock, traced.tracing), metrics, settings.commit
            )
            await _start(stack, directory, commit, drain_seconds=settings.drain_seconds)
            app.door = Door(
                directory,
                Acceptor(Formats(known), commit, clock=clock, metrics=metrics),
                BodyReader(settings.bodies),
                KeptAnswers(world.store, clock),
                clock,
                metrics,
                settings.deadline_seconds,
                traced.tracing,
            )
            checks.update(topic=_in_time(world.ping), gateways=directory.check_loaded)
            yield

    api = FastAPI(title="Penstock ingest-api", lifespan=lifespan, docs_url=None, redoc_url=None)
    install(api, clock=clock, metrics=metrics, checks=checks, tracing=traced.tracing)
    describe(api, known.values())
    app = IngestApp(api)
    return app


async def _start(
    stack: contextlib.AsyncExitStack,
    directory: GatewayDirectory,
    commit: GroupCommit,
    *,
    drain_seconds: float,
) -> None:
    """Let both work; the stack closes the commit, which flushes what it holds, and ends them."""
    stop = Stop()
    gateways = owned_task(directory.run(stop), name="gateways", stop=stop)
    await stack.enter_async_context(gateways)
    flushes = owned_task(commit.run(), name="commit", stop=stop, patience_seconds=drain_seconds)
    await stack.enter_async_context(flushes)
    stack.callback(commit.close)


def _in_time(ping: Check) -> Check:
    """A load balancer does not wait as long as an AWS client tries."""

    async def check() -> None:
        try:
            async with asyncio.timeout(PING_SECONDS):
                await ping()
        except TimeoutError as error:
            raise StoreUnavailable("the topic does not answer in time") from error

    return check


@contextlib.asynccontextmanager
async def _real_outside(settings: Settings) -> AsyncIterator[Outside]:
    async with aws_clients(settings.region) as aws:
        sns = await aws.sns()
        topic = physical_name(settings.name_prefix, CHANNEL.carrier.name)
        publisher = SnsPublisher(
            sns, arn_of("sns", topic, region=settings.region, account=settings.account)
        )
        store = DynamoStore(await aws.dynamodb(), settings.name_prefix)
        yield Outside(publisher, store, publisher.ping)
