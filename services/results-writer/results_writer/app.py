"""Composition root: one consumer per enabled sink, one for the archive, and the health routes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from fastapi import FastAPI
from penstock.adapters.issuer import HttpIssuer
from penstock.channel import Queue
from penstock.channels import predictions, readings
from penstock.domain.errors import InvalidInput
from penstock.ledger import Ledger
from penstock.runtime import http
from penstock.runtime.auth import install_tokens
from penstock.runtime.clock import SystemClock, new_id
from penstock.runtime.dead_letter_limit import DeadLetterLimit
from penstock.runtime.lifecycle import Stop, owned_task
from penstock.runtime.oidc import tokens_of
from penstock.runtime.span_export import TracedProcess
from penstock.runtime.telemetry import Metrics

from results_writer.archive_consumer import ArchiveWriter
from results_writer.discovered_tags import DiscoveredTags
from results_writer.discovery import discover_sinks
from results_writer.handler import SinkWriter
from results_writer.known_tags import ContextReader
from results_writer.pack_consumer import PackConsumer, Wiring
from results_writer.places import OpenPlaces, Places, open_places
from results_writer.routes import sinks as sink_routes
from results_writer.settings import Settings
from results_writer.sink import BatchLimits, SinkPlugin, SinkResources

SERVICE = "results-writer"
ARCHIVE_QUEUE = "archive"
_ARCHIVE_LIMITS = BatchLimits(max_bytes=4 * 1024 * 1024, max_age_seconds=10.0, max_packs=256)


def create_app(settings: Settings, *, opening: OpenPlaces = open_places) -> FastAPI:
    """Make the application; `opening` gives the outside world."""
    metrics = Metrics(SERVICE)
    traced = TracedProcess(settings, SERVICE, metrics)
    checks: dict[str, http.Check] = {}
    clock = SystemClock()
    people = tokens_of(settings.oidc, HttpIssuer(settings.oidc.issuer), clock, metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(metrics.close)
            stack.push_async_callback(traced.close)
            if people is not None:
                stack.push_async_callback(people.close)
            places = await stack.enter_async_context(opening(settings))
            wiring = Wiring(
                places.clock,
                metrics,
                Stop(),
                wait_seconds=settings.receive_wait_seconds,
                drain_seconds=settings.drain_seconds,
                tracing=traced.tracing,
            )
            consumers = await _Assembly(settings, places, wiring, stack).consumers()
            for name, consumer in consumers.items():
                checks[name] = consumer.check
                running = owned_task(
                    consumer.run(), name=name, stop=wiring.stop,
                    patience_seconds=settings.drain_seconds + 5,
                )  # fmt: skip
                await stack.enter_async_context(running)
            app.state.consumers = consumers
            yield

    app = FastAPI(title=SERVICE, lifespan=lifespan)
    install_tokens(app.state, settings.api_tokens, people)
    http.install(app, clock=clock, metrics=metrics, checks=checks, tracing=traced.tracing)
    app.include_router(sink_routes.router)
    return app


@dataclass(frozen=True, slots=True)
class _Assembly:
    """Puts the consumers together; what they own is closed with `stack`."""

    settings: Settings
    places: Places
    wiring: Wiring
    stack: AsyncExitStack

    async def consumers(self) -> dict[str, PackConsumer[Any]]:
        """Make one consumer per enabled sink, and the archive's."""
        plugins = _enabled(self.settings)
        made: dict[str, PackConsumer[Any]] = {}
        for plugin in plugins:
            made[plugin.name] = await self._sink_consumer(plugin)
        if self.settings.archive:
            made[ARCHIVE_QUEUE] = await self._archive_consumer()
        return made

    async def _sink_consumer(self, plugin: SinkPlugin) -> PackConsumer[Any]:
        places = self.places
        resources = SinkResources(
            places.clock, places.tables, places.lake, new_id(places.clock), places.aurora
        )
        sink = await self.stack.enter_async_context(plugin.open(self.settings, resources))
        queue = _queue(predictions.CHANNEL.queues, plugin.name)
        limit = self._dead_letter_limit()
        writer = SinkWriter(
            plugin.name,
            sink,
            ledger=Ledger(places.tables, places.clock),
            dead_letters=await places.dead_letters(queue),
            limit=limit,
            metrics=self.wiring.metrics,
        )
        return PackConsumer(
            predictions.CHANNEL,
            queue,
            await places.receiver(queue),
            write=writer.write,
            ping=writer.ping,
            limits=self._limits(queue, plugin.limits),
            packs_limit=self._dead_letter_limit(),
            items_limit=limit,
            wiring=self.wiring,
        )

    async def _archive_consumer(self) -> PackConsumer[Any]:
        queue = _queue(readings.CHANNEL.queues, ARCHIVE_QUEUE)
        discovered = await self._discovered_tags()
        writer = ArchiveWriter(
            self.places.archive,
            ledger=Ledger(self.places.tables, self.places.clock),
            metrics=self.wiring.metrics,
            on_archived=discovered.offer if discovered else lambda _: None,
        )
        return PackConsumer(
            readings.CHANNEL,
            queue,
            await self.places.receiver(queue),
            write=writer.write,
            ping=writer.ping,
            limits=self._limits(queue, _ARCHIVE_LIMITS),
            packs_limit=self._dead_letter_limit(),
            wiring=self.wiring,
        )

    async def _discovered_tags(self) -> DiscoveredTags | None:
        if self.places.aurora is None:
            return None
        context = ContextReader(self.places.aurora)
        discovered = DiscoveredTags(self.places.tables, self.places.clock, known_tags=context.read)
        running = owned_task(
            discovered.run(self.wiring.stop), name="discovered-tags", stop=self.wiring.stop
        )
        await self.stack.enter_async_context(running)
        return discovered

    def _dead_letter_limit(self) -> DeadLetterLimit:
        settings = self.settings
        return DeadLetterLimit(share=settings.dead_letter_share, least=settings.dead_letter_least)

    def _limits(self, queue: Queue, limits: BatchLimits) -> BatchLimits:
        chosen = self.settings.batches.get(queue.name)
        if chosen is not None:
            limits = replace(limits, **chosen.model_dump(exclude_none=True))
        if limits.max_age_seconds > queue.visibility_seconds / 3:
            raise InvalidInput(
                f"a batch of {queue.name} may wait for {queue.visibility_seconds / 3:g} s at most"
            )
        return limits


def _enabled(settings: Settings) -> list[SinkPlugin]:
    found = discover_sinks()
    unknown = sorted(set(settings.sinks) - set(found))
    if unknown:
        raise InvalidInput(f"RESULTS_WRITER_SINKS names {unknown}; there are {sorted(found)}")
    return [found[name] for name in dict.fromkeys(settings.sinks)]


def _queue(queues: tuple[Queue, ...], name: str) -> Queue:
    for queue in queues:
        if queue.name == name:
            return queue
    raise InvalidInput(f"no queue {name}: a sink's queue stands in channels/predictions.py")
