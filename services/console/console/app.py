"""The composition root: what the console owns, in which order it opens and closes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from penstock.adapters.aurora import ping
from penstock.adapters.aurora_tokens import open_aurora
from penstock.adapters.aws import AwsClients, aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.issuer import HttpIssuer
from penstock.adapters.s3 import S3ObjectStore
from penstock.adapters.sqs import SqsReceiver, queue_url
from penstock.gateways import GatewayStore
from penstock.registry import ModelRegistry
from penstock.resources import ARCHIVE, DEAD_LETTER_QUEUES, GATEWAYS, physical_name
from penstock.runtime import auth, http
from penstock.runtime.clock import SystemClock
from penstock.runtime.consumer import Consumer
from penstock.runtime.http import Check
from penstock.runtime.lifecycle import Stop, owned_task
from penstock.runtime.oidc import tokens_of
from penstock.runtime.span_export import TracedProcess
from penstock.runtime.telemetry import Metrics
from penstock.source_settings import SourceStore

from console.audit import Audit
from console.context_store import ContextStore
from console.dead_letters import DeadLetterStore
from console.dependencies import State
from console.intake import keep_in
from console.predictions import PredictionHistory
from console.quarantine import Quarantine
from console.routes import assets, audit, bindings, gateways, predictions, refusals, sources
from console.settings import Settings

ROUTERS = (
    gateways.router,
    assets.router,
    bindings.router,
    sources.router,
    refusals.router,
    predictions.router,
    audit.router,
)


def create_app(settings: Settings) -> FastAPI:
    """Wire the console; nothing is opened before the lifespan starts."""
    checks: dict[str, Check] = {}
    metrics = Metrics("console")
    traced = TracedProcess(settings, "console", metrics)
    clock = SystemClock()
    people = tokens_of(settings.oidc, HttpIssuer(settings.oidc.issuer), clock, metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(traced.close)
            if people is not None:
                stack.push_async_callback(people.close)
            state = await _open(settings, stack, clock, traced, checks)
            app.state.console = state
            yield

    app = FastAPI(title="Penstock console", version="1", lifespan=lifespan)
    auth.install_tokens(app.state, settings.api_tokens, people)
    http.install(app, clock=clock, metrics=metrics, checks=checks, tracing=traced.tracing)
    for router in ROUTERS:
        app.include_router(router)
    return app


async def _open(
    settings: Settings,
    stack: AsyncExitStack,
    clock: SystemClock,
    traced: TracedProcess,
    checks: dict[str, Check],
) -> State:
    clients = await stack.enter_async_context(aws_clients(settings.region))
    pool = await stack.enter_async_context(open_aurora(clients, settings.aurora))
    store = DynamoStore(await clients.dynamodb(), settings.name_prefix)
    archive = S3ObjectStore(await clients.s3(), physical_name(settings.name_prefix, ARCHIVE.name))
    letters = DeadLetterStore(archive, store, clock)
    await _drain_dead_letters(settings, stack, clients, letters, traced)

    async def tables_answer() -> None:
        await store.get(GATEWAYS.name, {"gateway_id": "-"})

    checks["aurora"] = lambda: ping(pool)
    checks["dynamodb"] = tables_answer
    return State(
        context=ContextStore(pool),
        gateways=GatewayStore(store, clock),
        sources=SourceStore(store),
        registry=ModelRegistry(store),
        dead_letters=letters,
        quarantine=Quarantine(archive),
        predictions=PredictionHistory(pool),
        audit=Audit(store, clock),
        store=store,
        clock=clock,
    )


async def _drain_dead_letters(
    settings: Settings,
    stack: AsyncExitStack,
    clients: AwsClients,
    letters: DeadLetterStore,
    traced: TracedProcess,
) -> None:
    sqs = await clients.sqs()
    stop = Stop()
    for queue in DEAD_LETTER_QUEUES:
        name = physical_name(settings.name_prefix, queue)
        consumer = Consumer(
            SqsReceiver(sqs, await queue_url(sqs, name)),
            keep_in(letters, queue),
            queue=queue,
            stop=stop,
            metrics=traced.metrics,
            tracing=traced.tracing,
            concurrency=2,
            wait_seconds=settings.dead_letter_wait_seconds,
            drain_seconds=settings.drain_seconds,
        )
        await stack.enter_async_context(
            owned_task(consumer.run(), name=f"{queue}.consumer", stop=stop)
        )
    # All are told at once: one after another, each would wait out its long poll.
    stack.callback(stop.set)
