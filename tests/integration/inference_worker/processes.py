"""The real process of the inference-worker, and what its topic has told so far."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import httpx
from penstock.channel import is_canary
from penstock.channels.predictions import CHANNEL as PREDICTIONS
from penstock.channels.predictions import predictions_of
from penstock.domain.predictions import Prediction
from penstock_local.children import die_with_parent, forking
from penstock_local.ports import free_port


@dataclass
class Worker:
    """Starts and ends processes of one configuration."""

    log: Path
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log, forking():
            self.process = subprocess.Popen(
                [sys.executable, "-m", "inference_worker"],
                env=os.environ | self.environment | {"INFERENCE_WORKER_PORT": str(self.port)},
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

    async def ready(self, *, expected: int = 200) -> None:
        """Wait until readiness says so."""
        async with httpx.AsyncClient() as client, asyncio.timeout(60):
            while True:
                assert self.process is not None
                assert self.process.poll() is None, self.output[-3000:]
                try:
                    answer = await client.get(f"http://127.0.0.1:{self.port}/readyz")
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                    continue
                if answer.status_code == expected:
                    return
                await asyncio.sleep(0.05)


@contextmanager
def worker_of(prefix: str, folder: Path, dsn: str, **more: str) -> Iterator[Worker]:
    """A process over real places, ended in any case."""
    environment = {
        "PENSTOCK_NAME_PREFIX": prefix,
        "INFERENCE_WORKER_AURORA__DSN": dsn,
        "INFERENCE_WORKER_RECEIVE_WAIT_SECONDS": "1",
        **{f"INFERENCE_WORKER_{name.upper()}": value for name, value in more.items()},
    }
    worker = Worker(folder / "worker.log", environment)
    try:
        yield worker
    finally:
        if worker.process is not None and worker.process.poll() is None:
            worker.kill()


def take_predictions(queue_url: str) -> list[Prediction]:
    """Read all that a subscriber of the topic got."""
    sqs = boto3.client("sqs")
    told: list[Prediction] = []
    while True:
        answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        messages = answer.get("Messages", [])
        if not messages:
            return told
        for message in messages:
            if not is_canary(message["Body"]):
                told += predictions_of(PREDICTIONS.decode(message["Body"]))
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
