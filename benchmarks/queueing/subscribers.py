"""Both subscribers of topic `readings`, each in a loop of its own: what they are billed, and CPU.

`inference` is the consumer loop of inference-worker and the first half of its handler: open a
pack, give each reading to its asset; the rest is a wait. `archive` is results-writer as deployed
with this one queue, S3 and DynamoDB in memory. Of each as many run as a deployment has at least.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from inference_worker.context import Snapshot, models_of
from inference_worker.places import INFERENCE
from inference_worker.settings import Settings as WorkerSettings
from inference_worker.sorting import sort_readings
from penstock.adapters.memory import MemoryKeyValueStore, MemoryObjectStore
from penstock.adapters.sqs import SqsPublisher, SqsReceiver
from penstock.channels.readings import CHANNEL, reading_columns
from penstock.domain.ids import PackId
from penstock.ports import Delivery
from penstock.resources import COMMANDS
from penstock.runtime.consumer import Consumer
from penstock.runtime.lifecycle import Stop, owned_task
from penstock.runtime.telemetry import Metrics
from results_writer import app as results_writer
from results_writer.places import Places
from results_writer.settings import Settings as WriterSettings

from benchmarks.queueing.billing import Bill
from benchmarks.queueing.broker import Queue, Sent
from benchmarks.queueing.load import Plant
from benchmarks.queueing.loop import LoopClock, run

WORK_SECONDS = 0.05
"""Of a pack in inference-worker after it is sorted (state, model, predictions): an assumption."""
_URL = "https://queue"
_LEAST = {queue.name: c.least_tasks for c in COMMANDS for queue in c.consumes}
_AT_ONCE = int(WorkerSettings.model_fields["deliveries_at_once"].default)

Consuming = Callable[[SqsReceiver], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Consumed:
    """What a subscriber was billed for its queue, and its CPU."""

    bill: Bill
    cpu_seconds: float


@dataclass(slots=True)
class Sorter:
    """Does with a pack what inference-worker begins with; counts."""

    snapshot: Snapshot
    readings: int = 0
    cpu_seconds: float = 0.0

    async def handle(self, delivery: Delivery) -> None:
        self.sort(delivery.body)
        await asyncio.sleep(WORK_SECONDS)

    def sort(self, body: str) -> None:
        began = time.process_time()
        message = CHANNEL.decode(body)
        columns = reading_columns(message)
        found = sort_readings(self.snapshot, columns, pack_id=PackId(message.id), trace="")
        self.cpu_seconds += time.process_time() - began
        assert not found.unbound
        self.readings += len(columns.tag)


@dataclass(slots=True)
class Archive:
    """Two tasks of results-writer share it."""

    objects: MemoryObjectStore = field(default_factory=MemoryObjectStore)
    tables: MemoryKeyValueStore = field(default_factory=MemoryKeyValueStore)


def inference(plant: Plant, sent: Sequence[Sent], *, readings: int) -> Consumed:
    """Sort every pack, a second time, when every tag is known; CPU is that of sorting alone."""
    sorter = Sorter(Snapshot(plant.context(), models_of([], {})))
    for one in sent:
        sorter.sort(one.body)
    sorter.readings, sorter.cpu_seconds = 0, 0.0
    bill, _ = run(_consume(sent, INFERENCE.name, lambda receiver: _sorting(receiver, sorter)))
    assert sorter.readings == readings, sorter.readings
    return Consumed(bill, sorter.cpu_seconds)


def archive(sent: Sequence[Sent]) -> Consumed:
    """Write every pack; CPU is that of all, the consumer loop included."""
    kept = Archive()
    name = results_writer.ARCHIVE_QUEUE
    bill, seconds = run(_consume(sent, name, lambda receiver: _archiving(receiver, kept)))
    assert kept.objects.objects
    return Consumed(bill, seconds)


async def _consume(sent: Sequence[Sent], name: str, consuming: Consuming) -> tuple[Bill, float]:
    queue = Queue(sent)
    receiver = SqsReceiver(cast("Any", queue), _URL)
    async with AsyncExitStack() as stack:
        began = time.process_time()
        for _ in range(_LEAST[name]):
            await stack.enter_async_context(consuming(receiver))
        await queue.is_empty.wait()
        seconds = time.process_time() - began
    return queue.bill, seconds


@asynccontextmanager
async def _sorting(receiver: SqsReceiver, sorter: Sorter) -> AsyncIterator[None]:
    metrics, stop = Metrics("bench"), Stop()
    consumer = Consumer(
        receiver, sorter.handle, queue=INFERENCE.name, stop=stop, metrics=metrics,
        concurrency=_AT_ONCE, visibility_seconds=INFERENCE.visibility_seconds,
    )  # fmt: skip
    work: Coroutine[Any, Any, None] = consumer.run()
    async with owned_task(work, name=INFERENCE.name, stop=stop):
        yield
    metrics.close()


@asynccontextmanager
async def _archiving(receiver: SqsReceiver, kept: Archive) -> AsyncIterator[None]:
    async def receiver_of(_queue: object) -> SqsReceiver:
        return receiver

    async def no_dead_letters(_queue: object) -> SqsPublisher:
        raise AssertionError("nothing dies here")

    @asynccontextmanager
    async def places(_settings: WriterSettings) -> AsyncIterator[Places]:
        yield Places(
            LoopClock(), kept.tables, kept.objects, kept.objects, receiver_of, no_dead_letters
        )

    app = results_writer.create_app(WriterSettings(sinks=(), archive=True), opening=places)
    async with app.router.lifespan_context(app):
        yield
