"""Composition root: three consumers beside the health routes."""

from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from opentelemetry.sdk.trace.export import SpanExporter
from penstock.channel import Queue
from penstock.ledger import Ledger
from penstock.registry import ModelRegistry
from penstock.runtime import http
from penstock.runtime.clock import SystemClock
from penstock.runtime.consumer import Consumer, Guard, Handle
from penstock.runtime.dead_letter_limit import DeadLetterLimit
from penstock.runtime.lifecycle import Stop, owned_task
from penstock.runtime.span_export import TracedProcess
from penstock.runtime.telemetry import Metrics
from penstock.runtime.tracing import Tracing

from inference_worker.archived_packs import ArchivedPacks
from inference_worker.asking import RetryLimits
from inference_worker.asset_lanes import AssetLanes
from inference_worker.bulkhead import Patience
from inference_worker.context_keeper import ContextKeeper
from inference_worker.corrections import CorrectionsHandler
from inference_worker.deferred import DeferredHandler
from inference_worker.deferring import Deferring
from inference_worker.gate import GateLimits
from inference_worker.handler import PlanFinisher, ReadingsHandler
from inference_worker.places import (
    CORRECTIONS,
    DEFERRED,
    INFERENCE,
    OpenPlaces,
    Places,
    open_places,
)
from inference_worker.predictor import Predictor
from inference_worker.publish import PredictionPublisher
from inference_worker.settings import Settings
from inference_worker.settle import Settling
from inference_worker.state_store import StateStore

SERVICE = "inference-worker"


def create_app(
    settings: Settings, *, opening: OpenPlaces = open_places, spans: SpanExporter | None = None
) -> FastAPI:
    """Make the application; `opening` gives the outside world, `spans` replaces the collector."""
    metrics = Metrics(SERVICE)
    traced = TracedProcess(settings, SERVICE, metrics, exporter=spans)
    checks: dict[str, http.Check] = {}

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(metrics.close)
            stack.push_async_callback(traced.close)
            places = await stack.enter_async_context(opening(settings))
            worker = _Assembly(settings, places, metrics, traced.tracing, Stop(), stack)
            keeper = await worker.keep_context()
            checks["context"] = keeper.check
            await worker.consume(keeper)
            yield

    app = FastAPI(title=SERVICE, lifespan=lifespan)
    http.install(app, clock=SystemClock(), metrics=metrics, checks=checks, tracing=traced.tracing)
    return app


@dataclass(frozen=True, slots=True)
class _Assembly:
    """Puts the worker together; what it owns is closed with `stack`."""

    settings: Settings
    places: Places
    metrics: Metrics
    tracing: Tracing
    stop: Stop
    stack: AsyncExitStack

    async def keep_context(self) -> ContextKeeper:
        keeper = ContextKeeper(
            self.places.context,
            ModelRegistry(self.places.tables),
            metrics=self.metrics,
            poll_seconds=self.settings.context_poll_seconds,
        )
        await keeper.refresh()
        await self._own(keeper.run(self.stop), "context")
        return keeper

    async def consume(self, keeper: ContextKeeper) -> None:
        places, settings = self.places, self.settings
        states = StateStore(places.tables, cached_states=settings.cached_states)
        settle = self._settling(keeper).settle
        ledger = Ledger(places.tables, places.clock)
        archived = ArchivedPacks(ledger, places.clock)
        lanes = AssetLanes(
            states,
            archived,
            PlanFinisher(settle, places.corrections, places.clock, self.metrics).finish,
            self.metrics,
        )
        readings = ReadingsHandler(
            snapshot=keeper.current, lanes=lanes, settle=settle, ledger=ledger,
            metrics=self.metrics,
        )  # fmt: skip
        corrections = CorrectionsHandler(
            archive=places.archive, states=states, archived=archived, settle=settle,
            snapshot=keeper.current, again=places.corrections, clock=places.clock,
            metrics=self.metrics,
        )  # fmt: skip
        redrives = DeferredHandler(settle, keeper.current, places.clock)

        async def guard() -> None:
            await keeper.check()
            await states.ping()

        await self._consume(INFERENCE, readings.handle, settings.deliveries_at_once, guard)
        await self._consume(DEFERRED, redrives.handle, settings.redrives_at_once, guard)
        await self._consume(CORRECTIONS, corrections.handle, settings.corrections_at_once, guard)

    def _settling(self, keeper: ContextKeeper) -> Settling:
        places, settings = self.places, self.settings
        predictor = Predictor(
            places.model_host,
            places.model_types,
            places.clock,
            gate=GateLimits(calls=settings.calls_per_endpoint, rows=settings.rows_per_call),
            retries=RetryLimits(call_seconds=settings.model_read_seconds + 5),
            patience=Patience(
                live_seconds=settings.live_patience_seconds,
                bulk_seconds=settings.model_read_seconds + 20,
            ),
            tracing=self.tracing,
        )
        self.stack.push_async_callback(predictor.close)
        publisher = PredictionPublisher(
            places.predictions,
            Ledger(places.tables, places.clock),
            places.clock,
            self.metrics,
            linger_seconds=settings.publish_linger_seconds,
            tracing=self.tracing,
        )
        deferring = Deferring(places.deferred, places.dead_letters, places.clock, self.metrics)
        return Settling(
            predictor=predictor,
            publisher=publisher,
            deferring=deferring,
            model_types=places.model_types,
            models=lambda: keeper.current().models,
            metrics=self.metrics,
        )

    async def _consume(self, queue: Queue, handle: Handle, concurrency: int, guard: Guard) -> None:
        consumer = Consumer(
            self.places.receivers[queue.name],
            handle,
            queue=queue.name,
            stop=self.stop,
            metrics=self.metrics,
            concurrency=concurrency,
            visibility_seconds=queue.visibility_seconds,
            wait_seconds=self.settings.receive_wait_seconds,
            drain_seconds=self.settings.drain_seconds,
            guard=guard,
            probe_seconds=self.settings.probe_seconds,
            may_die=DeadLetterLimit(
                share=self.settings.dead_letter_share, least=self.settings.dead_letter_least
            ),
            tracing=self.tracing,
        )
        await self._own(consumer.run(), queue.name)

    async def _own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        running = owned_task(
            work, name=name, stop=self.stop, patience_seconds=self.settings.drain_seconds + 5
        )
        await self.stack.enter_async_context(running)
