"""How a queue of dead letters is drained."""

from collections.abc import Awaitable, Callable

from penstock.ports import Delivery

from console.dead_letters import DeadLetterStore


def keep_in(letters: DeadLetterStore, queue: str) -> Callable[[Delivery], Awaitable[None]]:
    """Make the handler of one dead-letter queue."""

    async def handle(delivery: Delivery) -> None:
        await letters.keep(queue, delivery)

    return handle
