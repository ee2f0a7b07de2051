"""Which packs the archive has: what a correction waits for, and what a state need not name."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeVar

from penstock.domain.ids import PackId, sortable_id
from penstock.domain.samples import NEVER
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
        due = self._due(unknown)
        if len(due) <= _FEW // 2:
            return tuple(unknown)
        archived = {*due}.difference(await self.missing(due))
        return tuple(pack for pack in unknown if pack not in archived)

    def _unknown(self, packs: Iterable[PackId]) -> list[PackId]:
        given_up = self._made_before(_GIVEN_UP_AFTER)
        return [pack for pack in packs if pack > given_up and pack not in self._archived]

    def _due(self, packs: Iterable[PackId]) -> list[PackId]:
        should_be_there = self._made_before(_ON_ITS_WAY)
        asked_lately = self._clock.now() - _ASK_AGAIN_AFTER
        return [
            pack
            for pack in packs
            if pack < should_be_there and self._asked.get(pack, NEVER) < asked_lately
        ]

    def _made_before(self, age: Micros) -> str:
        """A text between the ids of packs older than this and those of all others."""
        return sortable_id(Micros(self._clock.now() - age), bytes(10))

    def _keep(self, kept: OrderedDict[PackId, T], pack: PackId, value: T) -> None:
        kept[pack] = value
        kept.move_to_end(pack)
        if len(kept) > self._remembered:
            kept.popitem(last=False)
