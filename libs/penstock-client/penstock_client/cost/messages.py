"""Messages: publishes, receives, deletes, and polls that find nothing."""

from collections.abc import Iterator

from penstock_client.cost.flows import (
    Packs,
    empty_receives_per_second,
    prediction_packs,
    reading_packs,
    receives_per_second,
)
from penstock_client.cost.usage import Usage
from penstock_client.cost.workload import Deployment

DELETES_PER_MESSAGE = 1.0
"""Each message is deleted by a call of its own."""


def topics(deployment: Deployment) -> Iterator[Usage]:
    """Publishes: one billed unit per pack, since a pack stays under 64 KiB."""
    for topic, packs in packs_by_topic(deployment).items():
        published = packs.per_second * deployment.load.seconds
        yield Usage("messages", f"publishes to {topic}", "sns-publish", published)


def queues(deployment: Deployment) -> Iterator[Usage]:
    """Receives and deletes of every subscriber; copies from SNS are not billed as sends."""
    seconds = deployment.load.seconds
    for topic, packs in packs_by_topic(deployment).items():
        subscribers = deployment.shape.subscribers[topic]
        pollers = [deployment.running(_consumer(deployment, queue)) for queue in subscribers]
        received = sum(receives_per_second(packs, pollers=n) for n in pollers)
        deleted = len(subscribers) * packs.per_second * DELETES_PER_MESSAGE
        yield Usage("messages", f"receives of {topic}", "sqs-request", received * seconds)
        yield Usage("messages", f"deletes of {topic}", "sqs-request", deleted * seconds)


def polls(deployment: Deployment) -> Iterator[Usage]:
    """Long polls that end with nothing: every task of a consumer polls each of its queues."""
    wait = deployment.setting("receive_wait_seconds")
    packs_by_queue = {
        queue: packs.per_second
        for topic, packs in packs_by_topic(deployment).items()
        for queue in deployment.shape.subscribers[topic]
    }
    empty = sum(
        empty_receives_per_second(
            packs_by_queue.get(queue, 0.0), pollers=deployment.running(name), wait_seconds=wait
        )
        for name in deployment.shape.names
        for queue in deployment.shape.command(name).queues
    )
    dead_wait = min(20.0, deployment.setting("dead_letter_wait_seconds"))
    dead = deployment.running("console") * deployment.shape.dead_letter_queues / dead_wait
    seconds = deployment.load.seconds
    yield Usage("messages", "polls that find nothing", "sqs-request", empty * seconds)
    yield Usage("messages", "polls of dead-letter queues", "sqs-request", dead * seconds)


def packs_by_topic(deployment: Deployment) -> dict[str, Packs]:
    """Packs of both topics."""
    return {"readings": reading_packs(deployment), "predictions": prediction_packs(deployment)}


def bytes_per_second(deployment: Deployment) -> float:
    """Bytes of messages that tasks send and receive."""
    return sum(
        packs.bytes_per_second * (1 + len(deployment.shape.subscribers[topic]))
        for topic, packs in packs_by_topic(deployment).items()
    )


def _consumer(deployment: Deployment, queue: str) -> str:
    return deployment.shape.consumer_of(queue).name
