"""Proves each subscription by a message that went through it, once in its life.

A queue that was proved carries a tag with the subscription's ARN, so a later run neither sends
canaries into queues that are in use nor disturbs what waits there.
"""

import time
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
from penstock.channel import CANARY, Envelope, is_canary
from penstock.domain.time import Micros

from penstock_local.aws_resources import Subscription, client

_TAG = "penstock:proved-subscription"
_TRIES = 3
_WAIT_SECONDS = 2


class SubscriptionUnproved(Exception):
    """What was published to a topic did not arrive in the queue of a subscriber."""


def prove(subscriptions: Sequence[Subscription], *, tries: int = _TRIES) -> int:
    """Send a canary through every subscription not proved before; return how many these were."""
    sqs = client("sqs")
    unproved = [each for each in subscriptions if _proved_arn(sqs, each) != each.arn]
    for subscription in unproved:
        if not any(_arrives(sqs, subscription) for _ in range(tries)):
            raise SubscriptionUnproved(
                f"a canary published to {subscription.topic_arn} did not arrive in "
                f"{subscription.queue_url}: look at the subscription and its dead-letter queue"
            )
        sqs.tag_queue(QueueUrl=subscription.queue_url, Tags={_TAG: subscription.arn})
    return len(unproved)


def _proved_arn(sqs: Any, subscription: Subscription) -> str | None:
    tags = sqs.list_queue_tags(QueueUrl=subscription.queue_url).get("Tags", {})
    proved: str | None = tags.get(_TAG)
    return proved


def _arrives(sqs: Any, subscription: Subscription) -> bool:
    # The other subscribers of the topic get it too; their consumers ack a canary unread.
    client("sns").publish(TopicArn=subscription.topic_arn, Message=_canary())
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        if _take_canary(sqs, subscription.queue_url):
            return True
    return False


def _take_canary(sqs: Any, url: str) -> bool:
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
    arrived = False
    for message in answer.get("Messages", []):
        receipt = message["ReceiptHandle"]
        if is_canary(message["Body"]):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=receipt)
            arrived = True
        else:
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)
    return arrived


def _canary() -> str:
    now = Micros(time.time_ns() // 1000)
    envelope = Envelope(version=1, id=f"canary-{uuid.uuid4().hex}", created_at=now, kind=CANARY)
    return msgspec.json.encode(envelope).decode()
