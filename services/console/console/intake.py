"""Which queues hold dead letters, and how one of them is drained."""

from collections.abc import Awaitable, Callable

from penstock.ports import Delivery
from penstock.resources import QUEUES, TOPICS

from console.dead_letters import DeadLetterStore


def dead_letter_queues() -> list[str]:
    """Logical names of all: one per queue, and one per subscription of a topic."""
    of_queues = [queue.dead_letter_name for queue in QUEUES]
    of_subscriptions = [
        topic.subscription_dead_letter_name(queue)
        for topic in TOPICS
        for queue in topic.subscribers
    ]
    return [*of_queues, *of_subscriptions]


def keep_in(letters: DeadLetterStore, queue: str) -> Callable[[Delivery], Awaitable[None]]:
    """Make the handler of one dead-letter queue."""

    async def handle(delivery: Delivery) -> None:
        await letters.keep(queue, delivery)

    return handle
