"""Which packs the archive has: what a correction waits for, and what a state need not name."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeVar

from penstock.domain.ids import PackId, time_of_id
from penstock.domain.time import DAY, MINUTE, SECOND, Micros
from penstock.gathering import gather_all
from penstock.ledger import ARCHIVE_HOP, Ledger
from penstock.ports import Clock

T = TypeVar("T")

_LOOKUPS_AT_ONCE = 8
_FEW = 16
"""Packs that a state names without anybody asking after them."""
_ON_ITS_WAY = Micros(20 * SECOND)
"""How long nearly every pack takes to the archive: who asks sooner asks twice."""
_ASK_AGAIN_AFTER = Micros(MINUTE)
_GIVEN_UP_AFTER = Micros(15 * DAY)
"""No queue keeps a message for longer than 14 days: an older pack was archived, or put away as a
dead letter; and the ledger may have forgotten it.
"""


class ArchivedPacks:
    """Asks the ledger, and remembers its answers: a pack that is archived stays so."""

    def __init__(self, ledger: Ledger, clock: Clock, *, remembered: int = 20_000) -> None:
        """Keep the ledger; `remembered` bounds the answers kept of each kind."""
        self._ledger = ledger
        self._clock = clock
        self._remembered = remembered
        self._archived: OrderedDict[PackId, None] = OrderedDict()
        self._asked: OrderedDict[PackId, Micros] = OrderedDict()

    async def missing(self, packs: Sequence[PackId]) -> list[PackId]:
        """Tell which of the packs are not archived now; raise Unavailable."""
        unknown = self._unknown(packs)
        answers = await gather_all(
            [self._ledger.has(pack, ARCHIVE_HOP) for pack in unknown], at_once=_LOOKUPS_AT_ONCE
        )
        now = self._clock.now()
        missing = []
        for pack, is_archived in zip(unknown, answers, strict=True):
            if is_archived:
                self._asked.pop(pack, None)
                self._keep(self._archived, pack, None)
            else:
                self._keep(self._asked, pack, now)
                missing.append(pack)
        return missing

    async def without(self, packs: tuple[PackId, ...]) -> tuple[PackId, ...]:
        """Leave out what is archived; ask only about many, and those not asked about lately."""
        if len(packs) <= _FEW:
            return packs
        unknown = self._unknown(packs)
        due = [pack for pack in unknown if self._is_due(pack)]
        if len(due) <= _FEW // 2:
            return tuple(unknown)
        archived = {*due}.difference(await self.missing(due))
        return tuple(pack for pack in unknown if pack not in archived)

    def _unknown(self, packs: Iterable[PackId]) -> list[PackId]:
        return [p for p in packs if p not in self._archived and not self._is_given_up(p)]

    def _is_given_up(self, pack: PackId) -> bool:
        return self._age(pack, unknown=Micros(0)) > _GIVEN_UP_AFTER

    def _is_due(self, pack: PackId) -> bool:
        asked_at = self._asked.get(pack)
        if asked_at is not None:
            return self._clock.now() - asked_at > _ASK_AGAIN_AFTER
        return self._age(pack, unknown=_GIVEN_UP_AFTER) > _ON_ITS_WAY

    def _age(self, pack: PackId, *, unknown: Micros) -> int:
        made_at = time_of_id(pack)
        return unknown if made_at is None else self._clock.now() - made_at

    def _keep(self, kept: OrderedDict[PackId, T], pack: PackId, value: T) -> None:
        kept[pack] = value
        kept.move_to_end(pack)
        if len(kept) > self._remembered:
            kept.popitem(last=False)
