"""Dead letters: drained from every dead-letter queue into S3, with an index to list them by."""

from collections.abc import AsyncIterator

import msgspec
import structlog
from penstock.adapters.sqs import SqsDelivery
from penstock.domain.errors import NotFound
from penstock.domain.time import Micros, to_iso
from penstock.ports import Clock, Delivery, KeyValueStore, ObjectStore, Write
from penstock.resources import DEAD_LETTERS

Row = dict[str, object]

log = structlog.get_logger()


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that was given up, whole, with what is known of its end."""

    id: str
    queue: str
    reason: str
    died_at: Micros
    body: str


class DeadLetterStore:
    """Bodies below `dead-letters/` of the archive, and the index in a table."""

    def __init__(self, objects: ObjectStore, store: KeyValueStore, clock: Clock) -> None:
        """Keep where bodies and index are."""
        self._objects = objects
        self._store = store
        self._clock = clock

    async def keep(self, queue: str, delivery: Delivery) -> None:
        """Keep one message: body first, then index; a repeat overwrites itself."""
        reason = "received too often without success"
        if isinstance(delivery, SqsDelivery):
            reason = delivery.attributes.get("reason", reason)
        letter = DeadLetter(delivery.message_id, queue, reason, self._clock.now(), delivery.body)
        key = _object_key(letter.queue, letter.died_at, letter.id)
        held = await self._store.get(DEAD_LETTERS.name, {"id": letter.id})
        if held is not None:
            return
        await self._objects.put(key, msgspec.json.encode(letter), content_type="application/json")
        index = {
            "id": letter.id, "queue": queue, "reason": reason[:1000], "died_at": letter.died_at,
            "object": key, "state": "kept",
        }  # fmt: skip
        await self._store.write(Write(DEAD_LETTERS.name, {"id": letter.id}, put=index))
        log.warning("dead_letter.kept", dead_queue=queue, id=letter.id, reason=reason[:200])

    async def list(self, *, queue: str | None, limit: int) -> list[Row]:
        """Read the newest of the index, of one queue or of all."""
        if queue is not None:
            rows = self._store.query(
                DEAD_LETTERS.name, {"queue": queue}, index="by-queue", newest_first=True
            )
            return [row async for row in take(rows, limit)]
        every = [row async for row in self._store.scan(DEAD_LETTERS.name)]
        every.sort(key=_died_at, reverse=True)
        return every[:limit]

    async def get(self, letter_id: str) -> DeadLetter:
        """Read one whole; raise NotFound."""
        index = await self._store.get(DEAD_LETTERS.name, {"id": letter_id})
        if index is None:
            raise NotFound(f"there is no dead letter {letter_id}")
        return msgspec.json.decode(await self._objects.get(str(index["object"])), type=DeadLetter)


async def take(rows: AsyncIterator[Row], limit: int) -> AsyncIterator[Row]:
    """Walk the first rows and no further."""
    count = 0
    async for row in rows:
        if count == limit:
            return
        count += 1
        yield row


def _died_at(row: Row) -> int:
    died_at = row["died_at"]
    return died_at if isinstance(died_at, int) else 0


def _object_key(queue: str, died_at: Micros, letter_id: str) -> str:
    return f"dead-letters/{queue}/dt={to_iso(died_at)[:10]}/{letter_id}.json"
