"""Everything outside that the process uses, opened once; tests give places of their own."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from penstock import model_types
from penstock.adapters.archive import ReadingsArchive
from penstock.adapters.aurora_tokens import open_aurora
from penstock.adapters.aws import arn_of, aws_clients
from penstock.adapters.context import AuroraContext
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.model_host import open_model_host
from penstock.adapters.s3 import S3ObjectStore
from penstock.adapters.sns import SnsPublisher
from penstock.adapters.sqs import open_publisher, open_receiver
from penstock.channel import Queue
from penstock.channels import corrections, deferred, predictions, readings
from penstock.model_type import ModelType
from penstock.plugins import discover
from penstock.ports import Clock, ContextReader, KeyValueStore, ModelHost, Publisher, Receiver
from penstock.resources import ARCHIVE, physical_name
from penstock.runtime.clock import SystemClock

from inference_worker.corrections import ReadingsReader
from inference_worker.deferring import DeadLetters
from inference_worker.settings import Settings

(INFERENCE,) = (queue for queue in readings.CHANNEL.queues if queue.name == "inference")
(DEFERRED,) = deferred.CHANNEL.queues
(CORRECTIONS,) = corrections.CHANNEL.queues


@dataclass(frozen=True, slots=True)
class Places:
    """The outside world of one process."""

    clock: Clock
    tables: KeyValueStore
    context: ContextReader
    archive: ReadingsReader
    model_host: ModelHost
    model_types: Mapping[str, ModelType]
    receivers: Mapping[str, Receiver]
    predictions: Publisher
    deferred: Publisher
    corrections: Publisher
    dead_letters: DeadLetters


OpenPlaces = Callable[[Settings], AbstractAsyncContextManager[Places]]


def discover_model_types() -> dict[str, ModelType]:
    """Find every model type, those of other distributions included."""
    return discover(
        model_types, attribute="MODEL_TYPE", kind=ModelType, group="penstock.model_types"
    )


@asynccontextmanager
async def open_places(settings: Settings) -> AsyncIterator[Places]:
    """Open AWS and Aurora."""

    def physical(name: str) -> str:
        return physical_name(settings.name_prefix, name)

    async with AsyncExitStack() as stack:
        clients = await stack.enter_async_context(aws_clients(settings.region))
        sqs, sns = await clients.sqs(), await clients.sns()
        pool = await stack.enter_async_context(open_aurora(clients, settings.aurora))

        async def receiver(queue: Queue) -> Receiver:
            return await open_receiver(
                sqs,
                queue=physical(queue.name),
                dead_letter_queue=physical(queue.dead_letter_name),
            )

        topic = physical(predictions.CHANNEL.carrier.name)
        yield Places(
            clock=SystemClock(),
            tables=DynamoStore(await clients.dynamodb(), settings.name_prefix),
            context=AuroraContext(pool),
            archive=ReadingsArchive(S3ObjectStore(await clients.s3(), physical(ARCHIVE.name))),
            model_host=await open_model_host(clients, read_seconds=settings.model_read_seconds),
            model_types=discover_model_types(),
            receivers={
                queue.name: await receiver(queue) for queue in (INFERENCE, DEFERRED, CORRECTIONS)
            },
            predictions=SnsPublisher(
                sns, arn_of("sns", topic, region=settings.region, account=settings.account)
            ),
            deferred=await open_publisher(sqs, physical(DEFERRED.name)),
            corrections=await open_publisher(sqs, physical(CORRECTIONS.name)),
            dead_letters=await open_publisher(sqs, physical(DEFERRED.dead_letter_name)),
        )
