"""The ledger: one row per pack and hop that says what became of each reading or frame.

A repeat overwrites its row, so sums are right however often a message came.
"""

from collections.abc import Mapping

from penstock.domain.ids import PackId
from penstock.domain.time import DAY, SECOND, Micros
from penstock.ports import Clock, KeyValueStore, Write
from penstock.resources import LEDGER

ARCHIVE_HOP = "archive"
INFERENCE_HOP = "inference"
PUBLISHED_HOP = "published"
_KEPT = Micros(30 * DAY)


class Ledger:
    """Rows of the table `ledger`."""

    def __init__(self, store: KeyValueStore, clock: Clock) -> None:
        """Keep the table's store and the clock."""
        self._store = store
        self._clock = clock

    async def record(self, pack_id: PackId, hop: str, counts: Mapping[str, int]) -> None:
        """Say what a hop made of a pack."""
        key = _key(pack_id, hop)
        now = self._clock.now()
        expires_at = (now + _KEPT) // SECOND
        item = {**key, "counts": dict(counts), "recorded_at": now, "expires_at": expires_at}
        await self._store.write(Write(LEDGER.name, key, put=item))

    async def has(self, pack_id: PackId, hop: str) -> bool:
        """Whether a hop is done with a pack."""
        return await self._store.get(LEDGER.name, _key(pack_id, hop)) is not None

    async def counts(self, pack_id: PackId) -> dict[str, dict[str, int]]:
        """What every hop made of a pack."""
        found: dict[str, dict[str, int]] = {}
        async for item in self._store.query(LEDGER.name, {"pack_id": pack_id}):
            counts = item["counts"]
            if isinstance(counts, Mapping):
                found[str(item["hop"])] = {str(k): int(v) for k, v in counts.items()}
        return found


def _key(pack_id: PackId, hop: str) -> dict[str, object]:
    return {"pack_id": pack_id, "hop": hop}
