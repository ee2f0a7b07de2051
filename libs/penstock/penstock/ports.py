"""Every port: what the core asks of the outside world, as Protocols named for their role."""

from collections.abc import AsyncIterator, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from penstock.domain.assets import Context
from penstock.domain.predictions import Prediction
from penstock.domain.time import Micros


class Clock(Protocol):
    """Tells the time; an argument wherever time matters."""

    def now(self) -> Micros:
        """Return the present in UTC microseconds."""
        ...


class Publisher(Protocol):
    """Sends bodies to one topic or queue."""

    async def publish(self, bodies: Sequence[str]) -> Sequence["PublishOutcome"]:
        """Send each body; the outcomes stand in the order of the bodies.

        Raise Unavailable where nothing could be sent at all.
        """
        ...


@dataclass(frozen=True, slots=True)
class PublishOutcome:
    """Whether one body is durable; `error` says why not."""

    error: str | None = None

    @property
    def is_durable(self) -> bool:
        """Whether the broker took it."""
        return self.error is None


class Delivery(Protocol):
    """One receipt of one message, to be settled exactly once."""

    @property
    def body(self) -> str:
        """The message as sent."""
        ...

    @property
    def message_id(self) -> str:
        """The broker's id of the message, equal over its deliveries."""
        ...

    @property
    def receive_count(self) -> int:
        """How often the message was received, this time included."""
        ...

    async def ack(self) -> None:
        """Settle: the message is done."""
        ...

    async def nack(self, delay_seconds: float) -> None:
        """Give back: the message comes again after the delay."""
        ...

    async def extend(self, seconds: float) -> None:
        """Keep it invisible to others for that long from now."""
        ...

    async def dead_letter(self, reason: str) -> None:
        """Give up: keep the message with its reason for people, then settle it."""
        ...


class Receiver(Protocol):
    """Reads deliveries from one queue."""

    async def receive(self, *, at_most: int, wait_seconds: float) -> Sequence[Delivery]:
        """Wait for up to `at_most` deliveries; an empty answer is normal."""
        ...


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a listing tells about an object."""

    key: str
    size: int


class ObjectStore(Protocol):
    """Objects by key in one bucket."""

    async def put(self, key: str, body: bytes, *, content_type: str = "") -> None:
        """Write an object whole; a repeat overwrites."""
        ...

    async def get(self, key: str) -> bytes:
        """Read an object; raise UnknownObject where there is none."""
        ...

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Walk the objects below a prefix in order of key."""
        ...

    async def delete(self, key: str) -> None:
        """Remove an object; removing none is fine."""
        ...


Item = Mapping[str, object]
"""A row of a key-value table: str, int, float, bool, None, bytes, and lists and dicts of them."""


@dataclass(frozen=True, slots=True)
class Write:
    """One conditional change of a transaction or of its own.

    `put` replaces the item; `set` (None removes) and `add` change attributes of it.
    `require` lists attribute values that must hold now (None: the attribute must not exist);
    `require_at_most` lists those that must be missing or not greater than the value;
    `absent` and `present` say whether the item may exist at all.
    """

    table: str
    key: Item
    put: Item | None = None
    set: Item = field(default_factory=dict)
    add: Mapping[str, int] = field(default_factory=dict)
    delete: bool = False
    require: Item = field(default_factory=dict)
    require_at_most: Item = field(default_factory=dict)
    absent: bool = False
    present: bool = False


class KeyValueStore(Protocol):
    """Small items with conditional writes (DynamoDB in AWS)."""

    async def get(self, table: str, key: Item) -> dict[str, object] | None:
        """Read one item, strongly consistent."""
        ...

    async def write(self, write: Write) -> dict[str, object]:
        """Change one item and return it as it then is; raise VersionConflict where refused."""
        ...

    async def write_all(self, writes: Sequence[Write]) -> None:
        """Change all (≤ 100) or none; raise VersionConflict where a requirement fails."""
        ...

    def query(
        self,
        table: str,
        key: Item,
        *,
        sort_prefix: str = "",
        index: str | None = None,
        newest_first: bool = False,
    ) -> AsyncIterator[dict[str, object]]:
        """Walk the items of one partition in order of their sort key."""
        ...

    def scan(self, table: str) -> AsyncIterator[dict[str, object]]:
        """Walk a whole table, in no order; for small tables only."""
        ...


class Secrets(Protocol):
    """Reads secrets by name."""

    async def get(self, name: str) -> str:
        """Return the text of a secret; raise NotFound where there is none."""
        ...


class Issuer(Protocol):
    """Makes the tokens that people come with, and publishes the keys to check them by."""

    async def read_keys(self) -> Sequence[Mapping[str, object]]:
        """Read its JSON Web Keys; raise Unavailable where they cannot be had."""
        ...


class ContextReader(Protocol):
    """Reads what people wrote of assets, tags and bindings."""

    async def version(self) -> int:
        """Version of the context now; raise Unavailable."""
        ...

    async def read(self) -> Context:
        """Read all of it, of one moment; raise Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class InvokeAnswer:
    """What an endpoint answered: the body, and the variant that made it."""

    body: bytes
    content_type: str
    variant: str


class ModelHost(Protocol):
    """Asks a deployed model."""

    async def invoke(
        self,
        endpoint: str,
        body: bytes,
        *,
        content_type: str,
        accept: str,
        variant: str | None = None,
        inference_id: str | None = None,
    ) -> InvokeAnswer:
        """Send one request.

        Raise UnknownEndpoint, Throttled, EndpointUnavailable, or InvalidInput where the model
        itself refused the body with a 4xx.
        """
        ...


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What a sink made of a batch, by position: all that is not named here is kept in the place.

    Superseded are those that the place has, or the batch held, a greater precedence of; a repeat
    of what is kept is not. Failed are those that can never be written, each with the reason.
    """

    superseded: Set[int] = frozenset()
    failed: Mapping[int, str] = field(default_factory=dict)


@runtime_checkable
class Sink(Protocol):
    """A place where predictions are written, idempotently."""

    async def write(self, predictions: Sequence[Prediction]) -> WriteReport:
        """Keep the greatest precedence of every identity; durable when it returns.

        Raise Unavailable where the place does not answer: nothing is settled then.
        Items that can never be written are told in `failed` by position.
        """
        ...

    async def ping(self) -> None:
        """Probe the dependency without a message; raise Unavailable where it is down."""
        ...

    async def read(self, identities: Sequence[tuple[str, str, int, str]]) -> list[Prediction]:
        """Answer from the read view that analysts use: at most one per identity."""
        ...


class TaskProtection(Protocol):
    """Has the platform spare this task while it works on something long."""

    def held(self) -> AbstractAsyncContextManager[None]:
        """Be spared until the block ends; blocks may overlap. It never fails: what cannot be
        spared is done again after a redelivery.
        """
        ...
