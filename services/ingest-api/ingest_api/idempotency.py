"""Answers kept under an Idempotency-Key, so that the same request gets the same answer for a day.

Only a convenience: readings are idempotent by identity. So a table that does not answer costs
nothing but the convenience, and a gateway that sends one key with ever new bodies loses no data.
"""

import asyncio
import hashlib
from dataclasses import dataclass

import structlog
from penstock.domain.errors import Unavailable
from penstock.domain.ids import GatewayId, digest_id
from penstock.domain.time import DAY, SECOND
from penstock.ports import Clock, KeyValueStore, Write
from penstock.resources import IDEMPOTENCY

from ingest_api.answers import Answer

PATIENCE_SECONDS = 0.5
_KEY_LIMIT = 255

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """What makes two requests the same: the gateway, its key for the request, and the body."""

    key: str
    body: str


def request_identity(gateway_id: GatewayId, key: bytes, body: bytes) -> RequestIdentity:
    """Name a request; the key may be any text."""
    text = key.decode("latin-1")[:_KEY_LIMIT]
    return RequestIdentity(
        digest_id("readings", gateway_id, text), hashlib.sha256(body).hexdigest()
    )


class KeptAnswers:
    """Answers in the table `idempotency`."""

    def __init__(self, store: KeyValueStore, clock: Clock) -> None:
        """Keep the table's store and the clock."""
        self._store = store
        self._clock = clock

    async def find(self, request: RequestIdentity) -> Answer | None:
        """Find the answer to the same request, if it was given within a day."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                item = await self._store.get(IDEMPOTENCY.name, {"key": request.key})
        except (Unavailable, TimeoutError) as error:
            log.warning("idempotency.unavailable", reason=str(error))
            return None
        if item is None or item.get("body_hash") != request.body:
            return None
        if int(str(item["expires_at"])) <= self._clock.now() // SECOND:
            return None
        return Answer(int(str(item["status"])), str(item["answer"]).encode())

    async def keep(self, request: RequestIdentity, answer: Answer) -> None:
        """Keep an answer."""
        item = {
            "key": request.key,
            "body_hash": request.body,
            "status": answer.status,
            "answer": answer.body.decode(),
            "expires_at": (self._clock.now() + DAY) // SECOND,
        }
        write = Write(IDEMPOTENCY.name, {"key": request.key}, put=item)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._store.write(write)
        except (Unavailable, TimeoutError) as error:
            log.warning("idempotency.unavailable", reason=str(error))
