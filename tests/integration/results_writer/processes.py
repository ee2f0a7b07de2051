"""The real process of the results-writer, started, killed and asked by tests."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import boto3
from penstock.channel import Queue
from penstock.resources import physical_name

from tests.fixtures.processes import CommandProcess, command
from tests.fixtures.waiting import wait_until

SINKS = ("aurora", "snowflake", "lake", "latest")
_IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"


@contextmanager
def writer_of(
    prefix: str, folder: Path, dsn: str, snowflake: Mapping[str, str | int], **more: str
) -> Iterator[CommandProcess]:
    """A process with every sink, quick batches, and the given places; ended in any case."""
    variables = {
        "PENSTOCK_API_TOKENS": json.dumps({"viewer-token": "viewer", "operator-token": "operator"}),
        "RESULTS_WRITER_AURORA__DSN": dsn,
        "RESULTS_WRITER_SNOWFLAKE__CAN_REMOVE": "false",
        "RESULTS_WRITER_RECEIVE_WAIT_SECONDS": "1",
        **{f"RESULTS_WRITER_SNOWFLAKE__{name.upper()}": str(v) for name, v in snowflake.items()},
        **{
            f"RESULTS_WRITER_BATCHES__{name}__MAX_AGE_SECONDS": "0.3"
            for name in ("SNOWFLAKE", "LAKE", "ARCHIVE")
        },
        **more,
    }
    with command("results-writer", prefix, folder, variables) as writer:
        yield writer


class Queues:
    """The queues and topics of a prefix, by plain boto3."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._sqs = boto3.client("sqs")
        self._sns = boto3.client("sns")

    def url(self, queue: str) -> str:
        name = physical_name(self._prefix, queue)
        return str(self._sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def shorten_visibility(self, queues: Mapping[str, Queue] | tuple[str, ...]) -> None:
        # What a killed process held comes back within seconds, not after its minute.
        for queue in queues:
            attributes = {"VisibilityTimeout": "4"}
            self._sqs.set_queue_attributes(QueueUrl=self.url(queue), Attributes=attributes)

    def publish(self, topic: str, bodies: list[str]) -> None:
        arn = self._sns.create_topic(Name=physical_name(self._prefix, topic))["TopicArn"]
        for start in range(0, len(bodies), 4):
            entries = [
                {"Id": str(n), "Message": body} for n, body in enumerate(bodies[start : start + 4])
            ]
            answer = self._sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=entries)
            assert not answer.get("Failed")

    async def begun(self, queue: str, *, from_: int) -> None:
        """Wait until some of the messages are settled: the process is in the middle of it."""

        def has_begun() -> bool:
            return self.waiting(queue) < max(1, from_)  # it may be over before anybody looks

        await asyncio.to_thread(wait_until, has_begun, f"{queue} begins to empty")

    def waiting(self, queue: str) -> int:
        return self._count(queue, "ApproximateNumberOfMessages", _IN_FLIGHT)

    def _count(self, queue: str, *names: str) -> int:
        answer = self._sqs.get_queue_attributes(
            QueueUrl=self.url(queue), AttributeNames=list(names)
        )
        return sum(int(answer["Attributes"][name]) for name in names)

    async def given_back(self, queues: tuple[str, ...]) -> None:
        """Wait until nothing is in flight, much shorter than what is would be out of sight."""

        def is_idle() -> bool:
            return not any(self._count(queue, _IN_FLIGHT) for queue in queues)

        await asyncio.to_thread(wait_until, is_idle, f"{queues} hold nothing back", seconds=20)

    async def drained(self, queues: tuple[str, ...], *, seconds: float = 240) -> None:

        def are_empty() -> bool:
            return not any(self.waiting(queue) for queue in queues)

        await asyncio.to_thread(wait_until, are_empty, f"{queues} are empty", seconds=seconds)
