"""Publisher to, and receiver from, an SQS queue."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from penstock.adapters.aws import AWS_ERRORS, unavailable
from penstock.channel import SQS_LIMIT
from penstock.ports import Delivery, PublishOutcome

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

ENTRIES_PER_CALL = 10
LONGEST_DELAY_SECONDS = 900
_LONGEST_VISIBILITY_SECONDS = 12 * 3600


def pack_batches(bodies: Sequence[str], *, limit: int) -> Iterator[list[int]]:
    """Group the positions of bodies into calls of at most ten entries and `limit` bytes."""
    batch: list[int] = []
    size = 0
    for position, body in enumerate(bodies):
        length = len(body.encode())
        if batch and (len(batch) == ENTRIES_PER_CALL or size + length > limit):
            yield batch
            batch, size = [], 0
        batch.append(position)
        size += length
    if batch:
        yield batch


class SqsPublisher:
    """Sends bodies to one queue."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        """Keep the queue."""
        self._client = client
        self._queue_url = queue_url

    async def publish(
        self, bodies: Sequence[str], *, delay_seconds: int = 0
    ) -> Sequence[PublishOutcome]:
        """Send each body; the outcomes stand in the order of the bodies."""
        outcomes = [PublishOutcome("not sent")] * len(bodies)
        for batch in pack_batches(bodies, limit=SQS_LIMIT):
            try:
                answer = await self._client.send_message_batch(
                    QueueUrl=self._queue_url,
                    Entries=[
                        {
                            "Id": str(position),
                            "MessageBody": bodies[position],
                            "DelaySeconds": min(delay_seconds, LONGEST_DELAY_SECONDS),
                        }
                        for position in batch
                    ],
                )
            except AWS_ERRORS as error:
                raise unavailable(error, f"sending to {self._queue_url}") from error
            for sent in answer.get("Successful", []):
                outcomes[int(sent["Id"])] = PublishOutcome()
            for failed in answer.get("Failed", []):
                reason = failed.get("Message") or failed["Code"]
                outcomes[int(failed["Id"])] = PublishOutcome(reason)
        return outcomes

    async def dead_letter(self, body: str, *, reason: str) -> None:
        """Send one body with the reason as attribute; the queue is a dead-letter queue."""
        try:
            await self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=body,
                MessageAttributes={"reason": {"DataType": "String", "StringValue": reason[:1024]}},
            )
        except AWS_ERRORS as error:
            raise unavailable(error, f"sending to {self._queue_url}") from error


class SqsDelivery:
    """One receipt of one message."""

    def __init__(
        self,
        client: "SQSClient",
        queue_url: str,
        dead_letters: SqsPublisher | None,
        *,
        body: str,
        message_id: str,
        receive_count: int,
        handle: str,
        attributes: dict[str, str],
    ) -> None:
        """Keep what settling needs."""
        self._client = client
        self._queue_url = queue_url
        self._dead_letters = dead_letters
        self._handle = handle
        self._body = body
        self._message_id = message_id
        self._receive_count = receive_count
        self.attributes = attributes

    @property
    def body(self) -> str:
        """The message as sent."""
        return self._body

    @property
    def message_id(self) -> str:
        """The broker's id of the message."""
        return self._message_id

    @property
    def receive_count(self) -> int:
        """How often it was received, this time included."""
        return self._receive_count

    async def ack(self) -> None:
        """Delete the message."""
        try:
            await self._client.delete_message(QueueUrl=self._queue_url, ReceiptHandle=self._handle)
        except AWS_ERRORS as error:
            raise unavailable(error, "acking a delivery") from error

    async def nack(self, delay_seconds: float) -> None:
        """Make the message visible after the delay."""
        await self._set_visibility(delay_seconds)

    async def extend(self, seconds: float) -> None:
        """Keep the message invisible for that long from now."""
        await self._set_visibility(seconds)

    async def dead_letter(self, reason: str) -> None:
        """Send to the dead-letter queue with the reason, then delete: in that order."""
        if self._dead_letters is None:
            await self.nack(LONGEST_DELAY_SECONDS)
            return
        await self._dead_letters.dead_letter(self._body, reason=reason)
        await self.ack()

    async def _set_visibility(self, seconds: float) -> None:
        # Rounded up: half a second of delay must not become none, and the message circle at once.
        timeout = min(max(0, math.ceil(seconds)), _LONGEST_VISIBILITY_SECONDS)
        try:
            await self._client.change_message_visibility(
                QueueUrl=self._queue_url, ReceiptHandle=self._handle, VisibilityTimeout=timeout
            )
        except AWS_ERRORS as error:
            raise unavailable(error, "changing a delivery's visibility") from error


class SqsReceiver:
    """Reads one queue by long polls."""

    def __init__(
        self, client: "SQSClient", queue_url: str, *, dead_letter_url: str | None = None
    ) -> None:
        """Keep the queue, and where its dead letters go."""
        self._client = client
        self._queue_url = queue_url
        self._dead_letters = SqsPublisher(client, dead_letter_url) if dead_letter_url else None

    async def receive(self, *, at_most: int, wait_seconds: float) -> Sequence[Delivery]:
        """Wait for up to ten deliveries."""
        try:
            answer = await self._client.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=min(at_most, ENTRIES_PER_CALL),
                WaitTimeSeconds=min(20, round(wait_seconds)),
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                MessageAttributeNames=["All"],
            )
        except AWS_ERRORS as error:
            raise unavailable(error, f"receiving from {self._queue_url}") from error
        return [
            SqsDelivery(
                self._client,
                self._queue_url,
                self._dead_letters,
                body=message["Body"],
                message_id=message["MessageId"],
                receive_count=int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
                handle=message["ReceiptHandle"],
                attributes={
                    name: attribute.get("StringValue", "")
                    for name, attribute in message.get("MessageAttributes", {}).items()
                },
            )
            for message in answer.get("Messages", [])
        ]


async def queue_url(client: "SQSClient", name: str) -> str:
    """Find a queue by name; raise Unavailable where it is not there (yet)."""
    try:
        return (await client.get_queue_url(QueueName=name))["QueueUrl"]
    except AWS_ERRORS as error:
        raise unavailable(error, f"queue {name}") from error


async def open_receiver(client: "SQSClient", *, queue: str, dead_letter_queue: str) -> SqsReceiver:
    """Open a receiver by physical names."""
    return SqsReceiver(
        client,
        await queue_url(client, queue),
        dead_letter_url=await queue_url(client, dead_letter_queue),
    )


async def open_publisher(client: "SQSClient", queue: str) -> SqsPublisher:
    """Open a publisher by physical name."""
    return SqsPublisher(client, await queue_url(client, queue))
