"""Record the backlog of a queue under the library's own consumer, as backlog.csv has it.

A burst, a dependency that is down while messages keep coming, and a calm end, on the embedded SQS.
Each second of the run stands for a minute: a row is one second, counts are SQS's own.

    python scripts/record_backlog.py > tests/unit/penstock/backlog.csv
"""

import asyncio
import csv
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.adapters.aws import aws_clients
from penstock.adapters.sqs import SqsPublisher, SqsReceiver
from penstock.domain.errors import StoreUnavailable
from penstock.ports import Delivery
from penstock.runtime.consumer import Consumer
from penstock.runtime.lifecycle import Stop, owned_task
from penstock.runtime.telemetry import Metrics
from penstock_local.addresses import http_url
from penstock_local.environment import REGION, aws_variables
from penstock_local.ports import free_port

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

RATES = (  # seconds, messages a second
    (10, 4), (30, 30), (30, 10), (25, 10), (30, 8), (35, 0),
)  # fmt: skip
DOWN = range(70, 95)
CONSUMERS = 3
AT_ONCE = 8
WORK_SECONDS = 1.0
_TRIES = 100


@contextmanager
def embedded_sqs() -> Iterator[None]:
    """Run MiniStack on a free port, with the standard AWS variables pointing at it."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, "-m", "penstock_local.ministack", "--port", str(port)]
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 -- our own words
                [*argv, "--state-dir", folder], stdout=log, stderr=log
            )
        os.environ.update(aws_variables(http_url(port)))
        try:
            _wait_for(http_url(port))
            yield
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(url: str) -> None:
    for _ in range(_TRIES):
        with suppress(OSError), urllib.request.urlopen(f"{url}/_ministack/health"):  # noqa: S310 -- ours
            return
        time.sleep(0.3)
    raise SystemExit("the embedded SQS does not answer")


class Dependency:
    """What the handler needs; down for as long as it is told."""

    def __init__(self) -> None:
        """Start up."""
        self.is_down = False

    async def ping(self) -> None:
        """Raise StoreUnavailable while it is down."""
        if self.is_down:
            raise StoreUnavailable("it is down")

    async def handle(self, _delivery: Delivery) -> None:
        """Work for a second."""
        await self.ping()
        await asyncio.sleep(WORK_SECONDS)
        await self.ping()


async def record() -> None:
    """Send, consume and write a row each second."""
    stop, dependency, metrics = Stop(), Dependency(), Metrics("record")
    async with AsyncExitStack() as stack:
        clients = await stack.enter_async_context(aws_clients(REGION))
        sqs = await clients.sqs()
        url = (await sqs.create_queue(QueueName="q"))["QueueUrl"]
        publisher = SqsPublisher(sqs, url)
        consumers = [
            Consumer(
                SqsReceiver(sqs, url), dependency.handle, queue="q", stop=stop, metrics=metrics,
                concurrency=AT_ONCE, wait_seconds=1, guard=dependency.ping, probe_seconds=0.2,
            )
            for _ in range(CONSUMERS)
        ]  # fmt: skip
        for number, consumer in enumerate(consumers):
            await stack.enter_async_context(
                owned_task(consumer.run(), name=f"consumer-{number}", stop=stop)
            )
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["minute", "sent", "visible", "in_flight", "paused"])
        loop = asyncio.get_running_loop()
        started = loop.time()
        rates = [rate for seconds, rate in RATES for _ in range(seconds)]
        for second, rate in enumerate(rates):
            dependency.is_down = second in DOWN
            if rate:
                await publisher.publish([f"message {second}-{one}" for one in range(rate)])
            await asyncio.sleep(max(0.0, started + second + 0.9 - loop.time()))
            visible, in_flight = await _counts(sqs, url)
            paused = int(any(consumer.is_paused for consumer in consumers))
            writer.writerow([second, rate, visible, in_flight, paused])
            await asyncio.sleep(max(0.0, started + second + 1 - loop.time()))


async def _counts(sqs: "SQSClient", url: str) -> tuple[int, int]:
    answer = await sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[
            "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
        ],
    )  # fmt: skip
    told = answer["Attributes"]
    return (
        int(told["ApproximateNumberOfMessages"]),
        int(told["ApproximateNumberOfMessagesNotVisible"]),
    )


if __name__ == "__main__":
    with embedded_sqs():
        asyncio.run(record())
