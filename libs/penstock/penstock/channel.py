"""A channel: its name, its messages, and the topic or queue that carries them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from penstock.domain.errors import MalformedPayload, UnsupportedVersion
from penstock.domain.time import Micros

SNS_LIMIT = 256 * 1024
"""Bytes of one SNS message, and of a whole PublishBatch call."""
SQS_LIMIT = 1024 * 1024
"""Bytes of one SQS message, and of a whole SendMessageBatch call."""

DAY_SECONDS = 24 * 3600


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What every message carries beside its content.

    `trace` is a W3C traceparent; `attempts` counts what was tried before this message was sent,
    since the broker's receive count starts again with every new message.
    """

    version: int
    id: str
    created_at: Micros
    lane: str = "live"
    trace: str = ""
    attempts: int = 0
    kind: str = ""


CANARY = "canary"
"""Kind of a message that only proves a subscription: consumers ack it unread."""

E = TypeVar("E", bound=Envelope)


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue read by one consumer; its dead-letter queue is derived, never declared."""

    name: str
    visibility_seconds: int = 60
    max_receives: int = 20
    retention_seconds: int = 14 * DAY_SECONDS

    @property
    def dead_letter_name(self) -> str:
        """Name of the queue that keeps what was given up."""
        return f"{self.name}-dlq"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that copies each message to the queue of every subscriber."""

    name: str
    subscribers: tuple[Queue, ...]

    def subscription_dead_letter_name(self, queue: Queue) -> str:
        """Name of the queue that keeps what could not be copied to a subscriber."""
        return f"{self.name}-to-{queue.name}-dlq"


@dataclass(frozen=True)
class Channel(Generic[E]):
    """One contract between services.

    `worst_case` makes the largest message that a service would send, to prove that it fits.
    """

    name: str
    carrier: Topic | Queue
    message: type[E]
    version: int
    worst_case: Callable[[], E]

    @property
    def queues(self) -> tuple[Queue, ...]:
        """Every queue that this channel fills."""
        return self.carrier.subscribers if isinstance(self.carrier, Topic) else (self.carrier,)

    @property
    def limit(self) -> int:
        """Bytes that one message may have."""
        return SNS_LIMIT if isinstance(self.carrier, Topic) else SQS_LIMIT

    def encode(self, message: E) -> str:
        """Write a message as a body."""
        return msgspec.json.encode(message).decode()

    def decode(self, body: str) -> E:
        """Read a body; raise MalformedPayload or UnsupportedVersion."""
        try:
            if msgspec.json.decode(body, type=_Versioned).version != self.version:
                raise UnsupportedVersion(
                    f"channel {self.name} is read in version {self.version}: deploy readers first"
                )
            return msgspec.json.decode(body, type=self.message)
        except msgspec.DecodeError as error:
            raise MalformedPayload(f"channel {self.name}: {error}") from error


class _Versioned(msgspec.Struct):
    version: int


def is_canary(body: str) -> bool:
    """Whether a body only proves that a subscription works."""
    if f'"kind":"{CANARY}"' not in body[:512]:
        return False
    try:
        return msgspec.json.decode(body, type=Envelope).kind == CANARY
    except msgspec.DecodeError:
        return False
