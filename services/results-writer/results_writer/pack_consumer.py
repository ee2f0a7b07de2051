"""A consumer of packs: gathers them into batches, has them written, and acks what is durable."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog
from penstock.channel import Channel, Envelope, Queue
from penstock.domain.errors import MalformedPayload, Unavailable, UnsupportedVersion
from penstock.domain.time import SECOND
from penstock.ports import Clock, Delivery, Receiver
from penstock.runtime.batching import Batcher
from penstock.runtime.consumer import Consumer
from penstock.runtime.dead_letter_limit import DeadLetterLimit
from penstock.runtime.lifecycle import Stop
from penstock.runtime.telemetry import Metrics
from penstock.runtime.tracing import NO_TRACING, Span, Tracing, current_span

from results_writer.sink import BatchLimits

E = TypeVar("E", bound=Envelope)

Write = Callable[[Sequence[E]], Awaitable[Mapping[int, str]]]
"""Makes packs durable; answers which cannot be read, by position, and why."""

_PROOF_SECONDS = 10
"""For so long the last write or ping proves that the dependency answers."""
_WRITE_SECONDS = 150
"""For so long a write that is under way is believed to come to an end."""
_PING_SECONDS = 12


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[E]):
    message: E
    size: int
    span: Span


@dataclass(frozen=True, slots=True)
class Wiring:
    """What every consumer of the process shares."""

    clock: Clock
    metrics: Metrics
    stop: Stop
    wait_seconds: float = 10.0
    probe_seconds: float = 1.0
    drain_seconds: float = 15.0
    tracing: Tracing = NO_TRACING


class PackConsumer(Generic[E]):
    """Reads one queue, in batches by bytes, age or number of packs.

    Packs wait for their batch as they came, compressed, and are opened only when it is written:
    what waits takes little memory.
    """

    def __init__(
        self,
        channel: Channel[E],
        queue: Queue,
        receiver: Receiver,
        *,
        write: Write[E],
        ping: Callable[[], Awaitable[None]],
        limits: BatchLimits,
        packs_limit: DeadLetterLimit,
        items_limit: DeadLetterLimit | None = None,
        wiring: Wiring,
    ) -> None:
        """Wire it; `run` starts it. `items_limit` is the one that `write` goes by."""
        self._channel = channel
        self._queue = queue
        self._write = write
        self._ping = ping
        self._limit = packs_limit
        self._limits = (packs_limit, items_limit) if items_limit else (packs_limit,)
        self._wiring = wiring
        self._is_writing = False
        self._proved_at = 0
        self._oldest_seconds = 0.0
        least_weight = max(1, limits.max_bytes // limits.max_packs)
        self._batcher = Batcher[_Waiting[E]](
            self._flush,
            max_items=limits.max_bytes,
            max_age_seconds=limits.max_age_seconds,
            name=queue.name,
            # So that a batch is full, too, once it holds `max_packs`.
            weigh=lambda waiting: max(least_weight, waiting.size),
            stop=wiring.stop,
        )
        self._consumer = Consumer(
            receiver,
            self._handle,
            queue=queue.name,
            stop=wiring.stop,
            metrics=wiring.metrics,
            concurrency=2 * limits.max_packs,  # one batch is written while the next gathers
            visibility_seconds=queue.visibility_seconds,
            wait_seconds=wiring.wait_seconds,
            drain_seconds=wiring.drain_seconds,
            guard=self._guard,
            probe_seconds=wiring.probe_seconds,
            tracing=wiring.tracing,
        )

    @property
    def state(self) -> str:
        """What it is doing, in one word."""
        if any(limit.is_tripped for limit in self._limits):
            return "stopped"
        return "waiting" if self._consumer.is_paused else "running"

    @property
    def oldest_message_seconds(self) -> float:
        """How old the oldest pack of the last batch was when it was written."""
        return self._oldest_seconds

    async def run(self) -> None:
        """Consume until stop, then write what is gathered."""
        await self._consumer.run()

    async def check(self) -> None:
        """Say whether it works, for readiness; raise Unavailable where it does not."""
        self._check_limits()
        if self._consumer.is_paused:
            raise Unavailable(f"{self._queue.name} waits for its dependency")
        trusted_for = _WRITE_SECONDS if self._is_writing else _PROOF_SECONDS
        if self._wiring.clock.now() - self._proved_at > trusted_for * SECOND:
            await self._prove_soon()

    def retry(self) -> None:
        """Forget how many were dead-lettered: somebody has looked."""
        for limit in self._limits:
            limit.reset()

    def _check_limits(self) -> None:
        for limit in self._limits:
            limit.check()

    async def _guard(self) -> None:
        self._check_limits()
        await self._prove()

    async def _prove_soon(self) -> None:
        try:
            async with asyncio.timeout(_PING_SECONDS):
                await self._prove()
        except TimeoutError as error:
            raise Unavailable(f"{self._queue.name}: no answer in {_PING_SECONDS} s") from error

    async def _prove(self) -> None:
        try:
            await self._ping()
        except Unavailable:
            self._wiring.metrics.gauge("sink_up", 0, sink=self._queue.name)
            raise
        self._mark_proved()

    def _mark_proved(self) -> None:
        self._proved_at = self._wiring.clock.now()
        self._wiring.metrics.gauge("sink_up", 1, sink=self._queue.name)

    async def _handle(self, delivery: Delivery) -> None:
        self._check_limits()
        try:
            message = self._channel.decode(delivery.body)
        except (MalformedPayload, UnsupportedVersion):
            self._limit.admit(1, dead=1)
            raise
        waiting = _Waiting(message, len(delivery.body), current_span())
        unreadable = await self._batcher.add([waiting])
        self._limit.admit(1, dead=len(unreadable))
        if unreadable:
            raise MalformedPayload(unreadable[0])

    async def _flush(self, batch: Sequence[_Waiting[E]]) -> Mapping[int, str]:
        # The task began with the context of the delivery that opened the batch.
        structlog.contextvars.unbind_contextvars("message_id", "trace_id")
        self._is_writing = True
        try:
            unreadable = await self._write_in_its_traces(batch)
        except Unavailable:
            self._wiring.metrics.gauge("sink_up", 0, sink=self._queue.name)
            raise
        finally:
            self._is_writing = False
        self._mark_proved()
        self._tell_age(batch)
        return unreadable

    async def _write_in_its_traces(self, batch: Sequence[_Waiting[E]]) -> Mapping[int, str]:
        """A batch goes on with the trace of one of its packs; those of the others are linked."""
        with self._wiring.tracing.shared_span(
            f"write {self._queue.name}",
            (waiting.span.trace for waiting in batch),
            attributes={"penstock.packs": len(batch)},
        ) as writing:
            for waiting in batch:
                waiting.span.link(writing)
            return await self._write([waiting.message for waiting in batch])

    def _tell_age(self, batch: Sequence[_Waiting[E]]) -> None:
        oldest = min(waiting.message.created_at for waiting in batch)
        self._oldest_seconds = max(0.0, (self._wiring.clock.now() - oldest) / SECOND)
        self._wiring.metrics.gauge(
            "oldest_message_seconds", self._oldest_seconds, queue=self._queue.name
        )
