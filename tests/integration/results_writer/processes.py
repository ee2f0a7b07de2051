"""The real process of the results-writer, started, killed and asked by tests."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import httpx
from penstock.channel import Queue
from penstock.resources import physical_name
from penstock_local.children import die_with_parent, forking
from penstock_local.ports import free_port

from tests.fixtures.waiting import wait_until

SINKS = ("aurora", "snowflake", "lake", "latest")


@dataclass
class Writer:
    """Starts and ends processes of one configuration."""

    prefix: str
    log: Path
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log, forking():
            self.process = subprocess.Popen(
                [sys.executable, "-m", "results_writer"],
                env=os.environ | self.environment | {"RESULTS_WRITER_PORT": str(self.port)},
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(),  # noqa: PLW1509  # one call, no locks
            )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def end(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(40)

    @property
    def output(self) -> str:
        return self.log.read_text()

    async def up(self) -> None:
        """Wait until it serves; not for the places behind it."""
        async with httpx.AsyncClient() as client, asyncio.timeout(60):
            while True:
                assert self.process is not None
                assert self.process.poll() is None, self.output[-3000:]
                try:
                    await client.get(f"http://127.0.0.1:{self.port}/healthz")
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                else:
                    return


@contextmanager
def writer_of(
    prefix: str, folder: Path, dsn: str, snowflake: Mapping[str, str | int], **more: str
) -> Iterator[Writer]:
    """A process with every sink, quick batches, and the given places; ended in any case."""
    tokens = json.dumps({"viewer-token": "viewer", "operator-token": "operator"})
    environment = {
        "PENSTOCK_NAME_PREFIX": prefix,
        "PENSTOCK_API_TOKENS": tokens,
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
    writer = Writer(prefix, folder / "writer.log", environment)
    try:
        yield writer
    finally:
        if writer.process is not None and writer.process.poll() is None:
            writer.kill()


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
            return self.waiting(queue) < from_

        await asyncio.to_thread(wait_until, has_begun, f"{queue} begins to empty", seconds=60)

    def waiting(self, queue: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self.url(queue), AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    async def drained(self, queues: tuple[str, ...], *, seconds: float = 90) -> None:

        def are_empty() -> bool:
            return not any(self.waiting(queue) for queue in queues)

        await asyncio.to_thread(wait_until, are_empty, f"{queues} are empty", seconds=seconds)
