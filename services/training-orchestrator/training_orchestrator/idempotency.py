"""Idempotency keys: the same request under the same key is done once."""

from dataclasses import dataclass

from penstock.domain.errors import AlreadyAccepted
from penstock.domain.ids import digest_id
from penstock.domain.time import DAY, SECOND
from penstock.ports import Clock, KeyValueStore, Write
from penstock.resources import IDEMPOTENCY

_KEPT = 7 * DAY


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What was made under which key; a key belongs to its caller and its route."""

    store: KeyValueStore
    clock: Clock

    async def made(self, key: str, body: bytes) -> str | None:
        """Id of what was made under a key, None where nothing was.

        Raise AlreadyAccepted where the key was used for another body.
        """
        item = await self.store.get(IDEMPOTENCY.name, {"key": key})
        if item is None or int(str(item["expires_at"])) <= self.clock.now() // SECOND:
            return None
        if item["digest"] != _digest(body):
            raise AlreadyAccepted("this Idempotency-Key was used for another body; take a new one")
        return str(item["made"])

    def keeping(self, key: str, body: bytes, made: str) -> Write:
        """Remember what is made under a key; goes into the transaction that makes it."""
        expires_at = (self.clock.now() + _KEPT) // SECOND
        put = {"key": key, "digest": _digest(body), "made": made, "expires_at": expires_at}
        return Write(IDEMPOTENCY.name, {"key": key}, put=put, absent=True)


def _digest(body: bytes) -> str:
    return digest_id(body.hex())
