"""SNS and SQS as far as our adapters call them: every call takes its time and is billed."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from penstock.channel import SQS_LIMIT
from penstock_client.cost.flows import RECEIVE_SECONDS

from benchmarks.queueing.billing import Bill, published, units_of

ROUND_TRIP_SECONDS = RECEIVE_SECONDS
"""Of any call: an assumption, the same that `penstock cost` makes."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message, and when the topic had it."""

    at: float
    body: str


class Topic:
    """The client of SNS: keeps what is published."""

    sent: list[Sent]
    calls: int

    def __init__(self) -> None:
        self.forget()

    async def publish_batch(self, **request: Any) -> dict[str, Any]:
        entries = request["PublishBatchRequestEntries"]
        await asyncio.sleep(ROUND_TRIP_SECONDS)
        self.calls += 1
        at = asyncio.get_running_loop().time()
        self.sent += [Sent(at, entry["Message"]) for entry in entries]
        return {"Successful": [{"Id": entry["Id"]} for entry in entries]}

    def forget(self) -> None:
        """Begin to count."""
        self.sent = []
        self.calls = 0

    @property
    def bill(self) -> Bill:
        return Bill(publishes=published(len(sent.body) for sent in self.sent))


class Queue:
    """The client of SQS, and one queue: messages come at their time and go when deleted."""

    def __init__(self, sent: Sequence[Sent]) -> None:
        self.bill = Bill()
        self.is_empty = asyncio.Event()
        self._left = len(sent)
        self._coming = deque(sent)
        self._handles = 0

    async def receive_message(self, **request: Any) -> dict[str, Any]:
        """Answer with what is there, as soon as that is anything."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(ROUND_TRIP_SECONDS)
        wait = request["WaitTimeSeconds"]
        if self._coming and self._coming[0].at > loop.time():
            wait = min(wait, self._coming[0].at - loop.time())
        if not self._coming or self._coming[0].at > loop.time():
            await asyncio.sleep(wait)
        bodies = self._take(request["MaxNumberOfMessages"], loop.time())
        if bodies:  # polls that find nothing have a line of their own in `penstock cost`
            self.bill += Bill(receives=units_of(sum(map(len, bodies))))
        return {"Messages": [self._message(body) for body in bodies]}

    async def delete_message(self, **_request: Any) -> None:
        await asyncio.sleep(ROUND_TRIP_SECONDS)
        self._delete(1)

    def _delete(self, count: int) -> None:
        self.bill += Bill(deletes=1)
        self._left -= count
        if not self._left:
            self.is_empty.set()

    def _take(self, at_most: int, now: float) -> list[str]:
        bodies: list[str] = []
        carried = 0
        while self._coming and self._coming[0].at <= now and len(bodies) < at_most:
            carried += len(self._coming[0].body)
            if bodies and carried > SQS_LIMIT:
                break
            bodies.append(self._coming.popleft().body)
        return bodies

    def _message(self, body: str) -> dict[str, Any]:
        self._handles += 1
        handle = str(self._handles)
        return {"Body": body, "MessageId": handle, "ReceiptHandle": handle}
