"""What tests do to the stack's messages: deliver them twice, bring them back soon, count them."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import boto3
from penstock.channel import Topic
from penstock.resources import QUEUES, TOPICS, physical_name
from penstock_local.environment import PREFIX, REGION

from tests.fixtures.waiting import wait_until

_IN_QUEUE = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


class Stack(Protocol):
    """A whole stack, wherever it runs: processes of this machine, or containers."""

    def endpoint(self, part: str) -> str:
        """Return the URL or DSN of a part, for programs on this machine."""
        ...


def aws_client(stack: Stack, service: str, *, part: str = "aws") -> Any:
    """A client of the stack's own AWS."""
    return boto3.client(service, **_account(stack.endpoint(part)))


def aws_resource(stack: Stack, service: str) -> Any:
    """The same as objects, with values of Python."""
    return boto3.resource(service, **_account(stack.endpoint("aws")))


def _account(endpoint: str) -> dict[str, str]:
    return {
        "endpoint_url": endpoint,
        "region_name": REGION,
        "aws_access_key_id": "penstock",
        "aws_secret_access_key": "penstock",
    }


@dataclass(frozen=True, slots=True)
class Queues:
    """The stack's queues."""

    sqs: Any

    def url(self, name: str) -> str:
        return str(self.sqs.get_queue_url(QueueName=physical_name(PREFIX, name))["QueueUrl"])

    def send(self, name: str, bodies: Sequence[str]) -> None:
        """Put bodies on a queue; each must be taken."""
        url = self.url(name)
        for start in range(0, len(bodies), 10):
            some = bodies[start : start + 10]
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(some)]
            answer = self.sqs.send_message_batch(QueueUrl=url, Entries=entries)
            assert not answer.get("Failed"), answer

    def count(self, name: str) -> int:
        """Messages that wait, are being worked on, or are delayed."""
        answer = self.sqs.get_queue_attributes(
            QueueUrl=self.url(name), AttributeNames=list(_IN_QUEUE)
        )
        return sum(int(answer["Attributes"][attribute]) for attribute in _IN_QUEUE)

    def wait_until_drained(self, *, seconds: float) -> None:
        """Wait until nothing is under way on any queue."""

        def is_drained() -> bool:
            return not any(self.count(queue.name) for queue in QUEUES)

        wait_until(is_drained, "every queue is empty", seconds=seconds, every_seconds=0.5)

    @contextmanager
    def coming_back_after(self, seconds: int) -> Iterator[None]:
        """Let what a killed process held come back sooner than after minutes.

        Slow batches are delivered twice then, which only makes it harder.
        """
        try:
            for queue in QUEUES:
                self._set_visibility(queue.name, min(seconds, queue.visibility_seconds))
            yield
        finally:
            for queue in QUEUES:
                self._set_visibility(queue.name, queue.visibility_seconds)

    def _set_visibility(self, name: str, seconds: int) -> None:
        attributes = {"VisibilityTimeout": str(seconds)}
        self.sqs.set_queue_attributes(QueueUrl=self.url(name), Attributes=attributes)


@dataclass(slots=True)
class Doubler:
    """Delivers every message of the topics once more to every subscriber, and keeps it."""

    stack: Stack
    bodies: dict[str, list[str]] = field(default_factory=dict)
    _enough: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Double what is published meanwhile."""
        with ThreadPoolExecutor(len(TOPICS)) as pool:
            taps = [self._tap(topic) for topic in TOPICS]
            doubling = [pool.submit(self._double, tap) for tap in taps]
            try:
                yield
            finally:
                for tap in taps:
                    tap.sns.unsubscribe(SubscriptionArn=tap.subscription)
                self._enough.set()
                for one in doubling:
                    one.result()

    def send_again(self, *, every: int) -> None:
        """Deliver some of what was kept a third time, evenly spread."""
        queues = Queues(aws_client(self.stack, "sqs"))
        for topic in TOPICS:
            for queue in topic.subscribers:
                queues.send(queue.name, self.bodies[topic.name][::every])

    def _tap(self, topic: Topic) -> "_Tap":
        sqs, sns = aws_client(self.stack, "sqs"), aws_client(self.stack, "sns")
        url = str(sqs.create_queue(QueueName=f"doubled-{topic.name}")["QueueUrl"])
        told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        answer = sns.subscribe(
            TopicArn=sns.create_topic(Name=physical_name(PREFIX, topic.name))["TopicArn"],
            Protocol="sqs",
            Endpoint=told["Attributes"]["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
            ReturnSubscriptionArn=True,
        )
        return _Tap(topic, sqs, sns, url, answer["SubscriptionArn"])

    def _double(self, tap: "_Tap") -> None:
        queues = Queues(tap.sqs)
        kept = self.bodies.setdefault(tap.topic.name, [])
        while True:
            is_last = self._enough.is_set()
            messages = tap.receive()
            for queue in tap.topic.subscribers:
                queues.send(queue.name, [message["Body"] for message in messages])
            for message in messages:
                kept.append(message["Body"])
                tap.delete(message)
            if is_last and not messages:
                tap.sqs.delete_queue(QueueUrl=tap.url)
                return


@dataclass(frozen=True, slots=True)
class _Tap:
    """A queue of our own that a topic copies to."""

    topic: Topic
    sqs: Any
    sns: Any
    url: str
    subscription: str

    def receive(self) -> list[dict[str, str]]:
        answer = self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1
        )
        return list(answer.get("Messages", []))

    def delete(self, message: dict[str, str]) -> None:
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
