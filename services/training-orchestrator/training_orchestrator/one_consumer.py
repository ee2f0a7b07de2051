"""What the fetcher and the preparer have in common: an application around one consumer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI
from penstock.channel import Queue
from penstock.ports import Receiver
from penstock.runtime import http
from penstock.runtime.clock import SystemClock
from penstock.runtime.consumer import Consumer, Handle
from penstock.runtime.dead_letter_limit import DeadLetterLimit
from penstock.runtime.http import Check
from penstock.runtime.lifecycle import Stop, owned_task
from penstock.runtime.settings import ConsumerSettings
from penstock.runtime.span_export import TracedProcess
from penstock.runtime.telemetry import Metrics
from penstock.runtime.traceparent import traceparent_in


@dataclass(frozen=True, slots=True)
class Process:
    """What the process has from its start, and the stack of what it opens."""

    traced: TracedProcess
    clock: SystemClock = field(default_factory=SystemClock)
    checks: dict[str, Check] = field(default_factory=dict)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def consume(
        self,
        queue: Queue,
        receiver: Receiver,
        handle: Handle,
        *,
        settings: ConsumerSettings,
        concurrency: int,
        trace_of: Callable[[str], str] = traceparent_in,
    ) -> None:
        """Start the consumer; closing the stack stops and drains it first."""
        stop = Stop()
        consumer = Consumer(
            receiver,
            handle,
            queue=queue.name,
            stop=stop,
            metrics=self.traced.metrics,
            concurrency=concurrency,
            visibility_seconds=queue.visibility_seconds,
            wait_seconds=settings.receive_wait_seconds,
            drain_seconds=settings.drain_seconds,
            may_die=DeadLetterLimit(
                share=settings.dead_letter_share, least=settings.dead_letter_least
            ),
            tracing=self.traced.tracing,
            trace_of=trace_of,
        )
        name = f"{queue.name}.consumer"
        await self.stack.enter_async_context(owned_task(consumer.run(), name=name, stop=stop))


def application(
    service: str, settings: ConsumerSettings, start: Callable[[Process], Awaitable[None]]
) -> FastAPI:
    """Make the application; `start` opens what the process owns, nothing is opened before."""
    traced = TracedProcess(settings, service, Metrics(service))
    process = Process(traced)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with process.stack:
            process.stack.push_async_callback(traced.close)
            await start(process)
            yield

    app = FastAPI(title=f"Penstock {service.replace('-', ' ')}", version="1", lifespan=lifespan)
    http.install(
        app, clock=process.clock, metrics=traced.metrics, checks=process.checks,
        tracing=traced.tracing,
    )  # fmt: skip
    return app
