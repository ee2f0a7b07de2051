"""Publisher to an SNS topic, within the limits of its batch call."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.adapters.aws import AWS_ERRORS, unavailable
from penstock.adapters.sqs import pack_batches
from penstock.channel import SNS_LIMIT
from penstock.ports import PublishOutcome

if TYPE_CHECKING:
    from types_aiobotocore_sns import SNSClient


class SnsPublisher:
    """Publishes bodies to one topic, as many a call as its limits allow."""

    def __init__(self, client: "SNSClient", topic_arn: str) -> None:
        """Keep the topic."""
        self._client = client
        self._topic_arn = topic_arn

    async def publish(self, bodies: Sequence[str]) -> Sequence[PublishOutcome]:
        """Send each body; the outcomes stand in the order of the bodies."""
        outcomes = [PublishOutcome("not sent")] * len(bodies)
        for batch in pack_batches(bodies, limit=SNS_LIMIT):
            for position, outcome in await self._publish_batch(bodies, batch):
                outcomes[position] = outcome
        return outcomes

    async def ping(self) -> None:
        """Probe the topic; raise Unavailable."""
        try:
            await self._client.get_topic_attributes(TopicArn=self._topic_arn)
        except AWS_ERRORS as error:
            raise unavailable(error, f"topic {self._topic_arn}") from error

    async def _publish_batch(
        self, bodies: Sequence[str], batch: Sequence[int]
    ) -> list[tuple[int, PublishOutcome]]:
        try:
            answer = await self._client.publish_batch(
                TopicArn=self._topic_arn,
                PublishBatchRequestEntries=[
                    {"Id": str(position), "Message": bodies[position]} for position in batch
                ],
            )
        except AWS_ERRORS as error:
            raise unavailable(error, f"publishing to {self._topic_arn}") from error
        # A batch call answers 200 with the failed entries beside the others.
        sent = [(int(entry["Id"]), PublishOutcome()) for entry in answer.get("Successful", [])]
        failed = [
            (int(entry["Id"]), PublishOutcome(entry.get("Message") or entry["Code"]))
            for entry in answer.get("Failed", [])
        ]
        return [*sent, *failed]
