"""Consumers over memory: started, fed and stopped by the tests."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from penstock.adapters.memory import (
    FakeClock,
    MemoryKeyValueStore,
    MemoryObjectStore,
    MemoryQueue,
    MemorySink,
)
from penstock.channels.predictions import CHANNEL, predictions_message
from penstock.domain.predictions import Prediction
from penstock.ledger import Ledger
from penstock.runtime.dead_letter_limit import DeadLetterLimit
from penstock.runtime.lifecycle import Stop
from penstock.runtime.telemetry import Metrics
from penstock.runtime.tracing import NO_TRACING, Tracing
from results_writer.handler import SinkWriter
from results_writer.pack_consumer import PackConsumer, Wiring
from results_writer.sink import BatchLimits

from tests.factories import NOON
from tests.fixtures.waiting import until

QUEUE = next(queue for queue in CHANNEL.queues if queue.name == "aurora")


@dataclass
class DeadLetters:
    """A dead-letter queue in a list."""

    letters: list[tuple[str, str]] = field(default_factory=list)

    async def dead_letter(self, body: str, *, reason: str) -> None:
        self.letters.append((body, reason))


@dataclass
class Rig:
    """One sink's consumer, and everything around it."""

    sink: MemorySink
    limits: BatchLimits = field(default_factory=lambda: BatchLimits(max_age_seconds=0.005))
    queue: MemoryQueue = field(default_factory=lambda: MemoryQueue("aurora"))
    tables: MemoryKeyValueStore = field(default_factory=MemoryKeyValueStore)
    objects: MemoryObjectStore = field(default_factory=MemoryObjectStore)
    dead: DeadLetters = field(default_factory=DeadLetters)
    clock: FakeClock = field(default_factory=FakeClock)
    stop: Stop = field(default_factory=Stop)
    share: float = 0.2
    tracing: Tracing = NO_TRACING

    @contextmanager
    def consumer(self) -> Iterator[PackConsumer]:  # type: ignore[type-arg]
        metrics = Metrics("test")
        limit = DeadLetterLimit(share=self.share, least=100)
        writer = SinkWriter(
            "aurora", self.sink, ledger=Ledger(self.tables, self.clock), dead_letters=self.dead,
            limit=limit, metrics=metrics,
        )  # fmt: skip
        yield PackConsumer(
            CHANNEL, QUEUE, self.queue, write=writer.write, ping=writer.ping, limits=self.limits,
            packs_limit=DeadLetterLimit(share=self.share, least=100), items_limit=limit,
            wiring=Wiring(self.clock, metrics, self.stop, 0.05, 0.02, 1, self.tracing),
        )  # fmt: skip
        metrics.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[PackConsumer]:  # type: ignore[type-arg]
        with self.consumer() as consumer:
            task = asyncio.create_task(consumer.run())
            try:
                yield consumer
            finally:
                self.stop.set()
                await task

    async def send(self, *packs: list[Prediction]) -> None:
        await self.queue.publish([pack_of(predictions) for predictions in packs])

    async def counts(self, pack_id: str) -> dict[str, dict[str, int]]:
        return await Ledger(self.tables, self.clock).counts(pack_id)  # type: ignore[arg-type]

    async def drained(self) -> None:
        await until(lambda: not self.queue.bodies)


def pack_of(predictions: list[Prediction], *, trace: str = "") -> str:
    message = predictions_message(
        predictions, pack_id=predictions[0].pack_id, created_at=NOON, trace=trace
    )
    return CHANNEL.encode(message)
