"""The audit: who changed what, kept in order of time by day."""

from penstock.domain.time import to_iso
from penstock.ports import Clock, KeyValueStore, Write
from penstock.resources import AUDIT
from penstock.runtime.auth import Caller
from penstock.runtime.clock import new_id


class Audit:
    """Rows of the table `audit`."""

    def __init__(self, store: KeyValueStore, clock: Clock) -> None:
        """Keep the table's store and the clock."""
        self._store = store
        self._clock = clock

    async def record(self, caller: Caller, action: str, subject: str) -> None:
        """Keep one change; a change that cannot be audited is not made, so call this first."""
        at = to_iso(self._clock.now())
        key: dict[str, object] = {"day": at[:10], "event_id": new_id(self._clock)}
        item = {
            **key, "at": at, "who": caller.name, "role": caller.role, "action": action,
            "subject": subject,
        }  # fmt: skip
        await self._store.write(Write(AUDIT.name, key, put=item))

    async def of_day(self, day: str, *, after: str, limit: int) -> list[dict[str, object]]:
        """Read changes of a UTC day in order of time, those after the event `after`."""
        found: list[dict[str, object]] = []
        async for item in self._store.query(AUDIT.name, {"day": day}):
            if str(item["event_id"]) > after:
                found.append(item)
            if len(found) == limit:
                break
        return found
