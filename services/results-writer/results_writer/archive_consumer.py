"""Packs of readings into the archive: every reading, sequence and reject, entered in the ledger."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog
from penstock.adapters.archive import OpenedPack, ReadingsArchive, open_pack
from penstock.channels.readings import ReadingsMessage
from penstock.domain.errors import MalformedPayload, UnknownObject
from penstock.domain.ids import PackId
from penstock.gathering import gather_all
from penstock.ledger import ARCHIVE_HOP, Ledger
from penstock.ports import ObjectStore
from penstock.runtime.telemetry import Metrics

log = structlog.get_logger()

_AT_ONCE = 16
_PROBE = PackId("probe")
_PROBE_KEY = "probes/results-writer"
"""A key that never exists: asking for it proves the bucket without leaving anything there."""


class ArchiveWriter:
    """Writes packs into the archive; the entry in the ledger comes after the objects.

    Whoever finds the entry may read the pack's readings: late frames are computed from them.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        ledger: Ledger,
        metrics: Metrics,
        on_archived: Callable[[Sequence[OpenedPack]], None],
    ) -> None:
        """Wire it; `on_archived` is told of each batch and must not wait."""
        self._store = store
        self._archive = ReadingsArchive(store)
        self._ledger = ledger
        self._metrics = metrics
        self._on_archived = on_archived

    async def ping(self) -> None:
        """Prove that everything answers that a batch needs."""
        try:
            await self._store.get(_PROBE_KEY)
        except UnknownObject:
            await self._ledger.has(_PROBE, ARCHIVE_HOP)

    async def write(self, messages: Sequence[ReadingsMessage]) -> Mapping[int, str]:
        """Make every row durable, then enter the packs in the ledger."""
        unreadable: dict[int, str] = {}
        packs: dict[str, OpenedPack] = {}
        for position, message in enumerate(messages):
            if message.id in packs:
                continue  # the same pack, delivered twice
            try:
                packs[message.id] = open_pack(message)
            except MalformedPayload as error:
                unreadable[position] = str(error)
        await self._archive.write(list(packs.values()))
        entries = [
            self._ledger.record(pack.pack_id, ARCHIVE_HOP, _counts(pack)) for pack in packs.values()
        ]
        await gather_all(entries, at_once=_AT_ONCE)
        self._tell(packs.values())
        self._on_archived(list(packs.values()))
        return unreadable

    def _tell(self, packs: Iterable[OpenedPack]) -> None:
        total: Counter[str] = Counter()
        for pack in packs:
            total.update(_counts(pack))
        for kind, count in total.items():
            self._metrics.count("archive_rows", count, kind=kind)
        log.info("batch.archived", **total)


def _counts(pack: OpenedPack) -> dict[str, int]:
    return {
        "readings": len(pack.columns.tag),
        "sequences": len(pack.columns.sequences),
        "rejects": len(pack.rejects),
    }
