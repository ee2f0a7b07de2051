"""Everything outside that the process uses, opened once; tests give places of their own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from penstock.adapters.aurora import Pool
from penstock.adapters.aurora_tokens import open_aurora
from penstock.adapters.aws import aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.s3 import S3ObjectStore
from penstock.adapters.sqs import open_publisher, open_receiver
from penstock.channel import Queue
from penstock.ports import Clock, KeyValueStore, ObjectStore, Receiver
from penstock.resources import ARCHIVE, LAKE, physical_name
from penstock.runtime.clock import SystemClock

from results_writer.handler import DeadLetterQueue
from results_writer.settings import Settings


@dataclass(frozen=True, slots=True)
class Places:
    """The outside world of one process."""

    clock: Clock
    tables: KeyValueStore
    lake: ObjectStore
    archive: ObjectStore
    receiver: Callable[[Queue], Awaitable[Receiver]]
    dead_letters: Callable[[Queue], Awaitable[DeadLetterQueue]]
    aurora: Pool | None = None


OpenPlaces = Callable[[Settings], AbstractAsyncContextManager[Places]]


@asynccontextmanager
async def open_places(settings: Settings) -> AsyncIterator[Places]:
    """Open AWS and, where it is named, Aurora."""
    async with AsyncExitStack() as stack:
        prefix = settings.name_prefix
        clients = await stack.enter_async_context(aws_clients(settings.region))
        sqs, s3 = await clients.sqs(), await clients.s3()
        pool = None
        if settings.aurora is not None:
            pool = await stack.enter_async_context(open_aurora(clients, settings.aurora))

        async def receiver(queue: Queue) -> Receiver:
            return await open_receiver(
                sqs,
                queue=physical_name(prefix, queue.name),
                dead_letter_queue=physical_name(prefix, queue.dead_letter_name),
            )

        async def dead_letters(queue: Queue) -> DeadLetterQueue:
            return await open_publisher(sqs, physical_name(prefix, queue.dead_letter_name))

        yield Places(
            clock=SystemClock(),
            tables=DynamoStore(await clients.dynamodb(), prefix),
            lake=S3ObjectStore(s3, physical_name(prefix, LAKE.name)),
            archive=S3ObjectStore(s3, physical_name(prefix, ARCHIVE.name)),
            receiver=receiver,
            dead_letters=dead_letters,
            aurora=pool,
        )
