"""Every port in memory: for tests, kept honest by the suites that also run over the real ones."""

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from penstock.domain.errors import NotFound, UnknownEndpoint, UnknownObject, VersionConflict
from penstock.domain.predictions import Prediction
from penstock.domain.time import Micros
from penstock.ports import (
    Delivery,
    InvokeAnswer,
    Item,
    PublishOutcome,
    StoredObject,
    Write,
    WriteReport,
)
from penstock.resources import TABLES


class FakeClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: int = 1_790_000_000_000_000) -> None:
        """Start at a time in September 2026."""
        self._now = now

    def now(self) -> Micros:
        """Return the time it stands at."""
        return Micros(self._now)

    def advance(self, *, seconds: float = 0, micros: int = 0) -> None:
        """Move on."""
        self._now += round(seconds * 1e6) + micros


@dataclass(slots=True)
class _Message:
    body: str
    message_id: str
    receive_count: int = 0
    visible_at: float = 0.0
    receipt: int = 0


class MemoryQueue:
    """A queue with visibility and dead letters, in the event loop's own time."""

    def __init__(self, name: str = "queue", *, visibility_seconds: float = 60.0) -> None:
        """Start empty."""
        self.name = name
        self.visibility_seconds = visibility_seconds
        self.dead_letters: list[tuple[str, str]] = []
        self._messages: deque[_Message] = deque()
        self._numbers = itertools.count(1)
        self._changed = asyncio.Condition()

    @property
    def bodies(self) -> list[str]:
        """Bodies that are not settled yet, in flight or not."""
        return [message.body for message in self._messages]

    async def publish(self, bodies: Sequence[str]) -> Sequence[PublishOutcome]:
        """Take every body."""
        for body in bodies:
            self._messages.append(_Message(body, f"m-{next(self._numbers)}"))
        await self._notify()
        return [PublishOutcome() for _ in bodies]

    async def receive(self, *, at_most: int, wait_seconds: float) -> Sequence[Delivery]:
        """Wait for visible messages."""
        deadline = self._time() + wait_seconds
        while not (visible := self._visible(at_most)):
            remaining = min(deadline, self._next_visible()) - self._time()
            if self._time() >= deadline:
                return []
            await self._wait_for_change(max(0.0, remaining))
        return [self._deliver(message) for message in visible]

    def redeliver_all(self) -> None:
        """Make every message that is in flight visible again, as a broker may at any time."""
        for message in self._messages:
            message.visible_at = 0.0

    def _visible(self, at_most: int) -> list[_Message]:
        now = self._time()
        visible = (message for message in self._messages if message.visible_at <= now)
        return list(itertools.islice(visible, at_most))

    def _next_visible(self) -> float:
        return min((message.visible_at for message in self._messages), default=float("inf"))

    def _deliver(self, message: _Message) -> "MemoryDelivery":
        message.receive_count += 1
        message.receipt += 1
        message.visible_at = self._time() + self.visibility_seconds
        return MemoryDelivery(self, message, message.receipt)

    def settle(self, message: _Message) -> None:
        """Take a message out; a second time is fine."""
        if message in self._messages:
            self._messages.remove(message)

    async def hide(self, message: _Message, receipt: int, seconds: float) -> None:
        """Set when a message is visible next, if the receipt is still the newest."""
        if receipt == message.receipt:
            message.visible_at = self._time() + seconds
            await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _wait_for_change(self, seconds: float) -> None:
        async with self._changed:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds)

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()


class MemoryDelivery:
    """One receipt of one message of a MemoryQueue."""

    def __init__(self, queue: MemoryQueue, message: _Message, receipt: int) -> None:
        """Keep what settling needs."""
        self._queue = queue
        self._message = message
        self._receipt = receipt

    @property
    def body(self) -> str:
        """The message as sent."""
        return self._message.body

    @property
    def message_id(self) -> str:
        """The queue's id of the message."""
        return self._message.message_id

    @property
    def receive_count(self) -> int:
        """How often it was received, this time included."""
        return self._message.receive_count

    async def ack(self) -> None:
        """Take the message out."""
        self._queue.settle(self._message)

    async def nack(self, delay_seconds: float) -> None:
        """Show the message again after the delay."""
        await self._queue.hide(self._message, self._receipt, delay_seconds)

    async def extend(self, seconds: float) -> None:
        """Keep the message invisible for that long from now."""
        await self._queue.hide(self._message, self._receipt, seconds)

    async def dead_letter(self, reason: str) -> None:
        """Keep the body with the reason, then take the message out."""
        self._queue.dead_letters.append((self._message.body, reason))
        self._queue.settle(self._message)


class MemoryTopic:
    """Copies each body to every subscribed queue.

    `on_publish` may raise, or answer an error text for a body to fail it alone.
    """

    def __init__(
        self, *queues: MemoryQueue, on_publish: Callable[[str], str | None] | None = None
    ) -> None:
        """Subscribe the queues."""
        self._queues = queues
        self._on_publish = on_publish
        self.published: list[str] = []

    async def publish(self, bodies: Sequence[str]) -> Sequence[PublishOutcome]:
        """Copy each body that `on_publish` does not fail."""
        errors = [self._on_publish(body) if self._on_publish else None for body in bodies]
        taken = [body for body, error in zip(bodies, errors, strict=True) if error is None]
        self.published.extend(taken)
        for queue in self._queues:
            await queue.publish(taken)
        return [PublishOutcome(error) for error in errors]


class MemoryObjectStore:
    """Objects in a dict."""

    def __init__(self) -> None:
        """Start empty."""
        self.objects: dict[str, bytes] = {}

    async def put(self, key: str, body: bytes, *, content_type: str = "") -> None:  # noqa: ARG002
        """Write an object whole."""
        self.objects[key] = body

    async def get(self, key: str) -> bytes:
        """Read an object; raise UnknownObject where there is none."""
        if key not in self.objects:
            raise UnknownObject(f"{key} is not there")
        return self.objects[key]

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Walk the objects below a prefix in order of key."""
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield StoredObject(key, len(self.objects[key]))

    async def delete(self, key: str) -> None:
        """Remove an object; removing none is fine."""
        self.objects.pop(key, None)


class MemorySecrets:
    """Secrets in a dict."""

    def __init__(self, secrets: dict[str, str]) -> None:
        """Keep the secrets by name."""
        self.secrets = secrets

    async def get(self, name: str) -> str:
        """Return the text of a secret; raise NotFound where there is none."""
        if name not in self.secrets:
            raise NotFound(f"no secret is named {name}")
        return self.secrets[name]


@dataclass(slots=True)
class MemoryKeyValueStore:
    """The tables of `penstock.resources` in dicts; `on_write` may raise before a change."""

    on_write: Callable[[Write], None] | None = None
    items: dict[str, dict[tuple[object, ...], dict[str, object]]] = field(default_factory=dict)

    async def get(self, table: str, key: Item) -> dict[str, object] | None:
        """Read one item."""
        item = self._table(table).get(tuple(key.values()))
        return dict(item) if item is not None else None

    async def write(self, write: Write) -> dict[str, object]:
        """Change one item and return it as it then is."""
        await self.write_all([write])
        return dict(self._table(write.table).get(tuple(write.key.values()), {}))

    async def write_all(self, writes: Sequence[Write]) -> None:
        """Change all or none; raise VersionConflict where a requirement fails."""
        for write in writes:
            if self.on_write:
                self.on_write(write)
        for write in writes:
            self._check(write)
        for write in writes:
            self._apply(write)

    async def query(
        self,
        table: str,
        key: Item,
        *,
        sort_prefix: str = "",
        index: str | None = None,
        newest_first: bool = False,
    ) -> AsyncIterator[dict[str, object]]:
        """Walk the items of one partition in order of their sort key."""
        spec = next(t for t in TABLES if t.name == table)
        sort = spec.sort or spec.partition
        if index is not None:
            sort = next(i for i in spec.indexes if i.name == index).sort
        ((partition, value),) = key.items()
        found = [item for item in self._table(table).values() if item.get(partition) == value]
        found = [i for i in found if sort in i and str(i[sort]).startswith(sort_prefix)]
        found.sort(key=lambda item: _sort_key(item[sort]), reverse=newest_first)
        for item in found:
            yield dict(item)

    async def scan(self, table: str) -> AsyncIterator[dict[str, object]]:
        """Walk a whole table."""
        for item in list(self._table(table).values()):
            yield dict(item)

    def _table(self, table: str) -> dict[tuple[object, ...], dict[str, object]]:
        return self.items.setdefault(table, {})

    def _check(self, write: Write) -> None:
        item = self._table(write.table).get(tuple(write.key.values()))
        if (write.absent and item is not None) or (write.present and item is None):
            raise VersionConflict(f"table {write.table}: somebody else was first")
        for attribute, required in write.require.items():
            if (item or {}).get(attribute) != required:
                raise VersionConflict(f"table {write.table}: {attribute} is not {required}")
        for attribute, most in write.require_at_most.items():
            held = (item or {}).get(attribute)
            if held is not None and _sort_key(held) > _sort_key(most):
                raise VersionConflict(f"table {write.table}: {attribute} is above {most}")

    def _apply(self, write: Write) -> None:
        table = self._table(write.table)
        key = tuple(write.key.values())
        if write.delete:
            table.pop(key, None)
            return
        item = {**write.key, **(write.put if write.put is not None else table.get(key, {}))}
        if write.put is None:
            item.update(write.set)
            for attribute, by in write.add.items():
                held = item.get(attribute, 0)
                item[attribute] = (held if isinstance(held, int) else 0) + by
        table[key] = {name: value for name, value in item.items() if value is not None}


def _sort_key(value: object) -> tuple[int, float, str]:
    if isinstance(value, int | float):
        return (0, float(value), "")
    return (1, 0.0, str(value))


class MemorySink:
    """A sink in a dict; `on_write` may raise, or answer failures by position."""

    def __init__(
        self, on_write: Callable[[Sequence[Prediction]], dict[int, str] | None] | None = None
    ) -> None:
        """Start empty."""
        self._on_write = on_write
        self.is_down: Exception | None = None
        self.rows: dict[tuple[str, str, int, str], Prediction] = {}

    async def write(self, predictions: Sequence[Prediction]) -> WriteReport:
        """Keep the greatest precedence of every identity."""
        if self.is_down:
            raise self.is_down
        failed = (self._on_write(predictions) if self._on_write else None) or {}
        taken = {n: p for n, p in enumerate(predictions) if n not in failed}
        for prediction in taken.values():
            held = self.rows.get(prediction.identity)
            if held is None or prediction.precedence > held.precedence:
                self.rows[prediction.identity] = prediction
        superseded = {
            n for n, p in taken.items() if self.rows[p.identity].precedence > p.precedence
        }
        return WriteReport(superseded, failed)

    async def ping(self) -> None:
        """Raise what `is_down` holds."""
        if self.is_down:
            raise self.is_down

    async def read(self, identities: Sequence[tuple[str, str, int, str]]) -> list[Prediction]:
        """Answer what is held of the identities."""
        return [self.rows[identity] for identity in identities if identity in self.rows]


class MemoryModelHost:
    """Endpoints that are functions: `on_invoke[endpoint](body)` answers or raises."""

    def __init__(self, on_invoke: dict[str, Callable[[bytes], bytes]], variant: str = "v1") -> None:
        """Keep the endpoints."""
        self.on_invoke = on_invoke
        self.variant = variant
        self.calls: list[tuple[str, bytes]] = []

    async def invoke(
        self,
        endpoint: str,
        body: bytes,
        *,
        content_type: str,  # noqa: ARG002
        accept: str,
        variant: str | None = None,
        inference_id: str | None = None,  # noqa: ARG002
    ) -> InvokeAnswer:
        """Ask the endpoint's function; raise UnknownEndpoint where there is none."""
        self.calls.append((endpoint, body))
        await asyncio.sleep(0)  # a real host always gives others a turn
        if endpoint not in self.on_invoke:
            raise UnknownEndpoint(f"no endpoint {endpoint}")
        return InvokeAnswer(self.on_invoke[endpoint](body), accept, variant or self.variant)
