"""The real process of the inference-worker, and what its topic has told so far."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from penstock.channel import is_canary
from penstock.channels.predictions import CHANNEL as PREDICTIONS
from penstock.channels.predictions import predictions_of
from penstock.domain.predictions import Prediction

from tests.fixtures.processes import CommandProcess, command


@contextmanager
def worker_of(prefix: str, folder: Path, dsn: str, **more: str) -> Iterator[CommandProcess]:
    """A process over real places, ended in any case."""
    variables = {
        "INFERENCE_WORKER_AURORA__DSN": dsn,
        "INFERENCE_WORKER_RECEIVE_WAIT_SECONDS": "1",
        **{f"INFERENCE_WORKER_{name.upper()}": value for name, value in more.items()},
    }
    with command("inference-worker", prefix, folder, variables) as worker:
        yield worker


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
