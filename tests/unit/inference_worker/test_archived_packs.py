"""What is asked of the ledger about packs on their way to the archive, and how often."""

from inference_worker.archived_packs import ArchivedPacks
from penstock.adapters.memory import FakeClock, MemoryKeyValueStore
from penstock.domain.ids import PackId, sortable_id
from penstock.domain.time import DAY, SECOND, Micros
from penstock.ledger import ARCHIVE_HOP, Ledger

from tests.factories import NOON


class CountingLedger(Ledger):
    """A ledger that counts how often it is asked."""

    asked = 0

    async def has(self, pack_id: PackId, hop: str) -> bool:
        self.asked += 1
        return await super().has(pack_id, hop)


class Desk:
    def __init__(self, *, remembered: int = 100) -> None:
        self.clock = FakeClock(NOON)
        self.ledger = CountingLedger(MemoryKeyValueStore(), self.clock)
        self.archived = ArchivedPacks(self.ledger, self.clock, remembered=remembered)

    async def archive(self, *packs: PackId) -> None:
        for pack in packs:
            await self.ledger.record(pack, ARCHIVE_HOP, {})


def made(count: int, *, before: int = 60 * SECOND) -> tuple[PackId, ...]:
    """Packs made one per millisecond, the first so long before noon."""
    first = NOON - before
    return tuple(
        PackId(sortable_id(Micros(first + number * 1_000), number.to_bytes(10, "big")))
        for number in range(count)
    )


async def test_what_is_archived_is_asked_once() -> None:
    desk = Desk()
    packs = made(3)
    await desk.archive(*packs[:2])
    assert await desk.archived.missing(packs) == [packs[2]]
    await desk.archive(packs[2])
    assert await desk.archived.missing(packs) == []
    assert await desk.archived.missing(packs) == []
    assert desk.ledger.asked == 4


async def test_an_early_pack_that_is_missing_stays_named_however_many_follow() -> None:
    desk = Desk()
    packs = made(80)
    await desk.archive(*packs[1:])
    assert await desk.archived.without(packs) == packs[:1]


async def test_few_packs_and_new_ones_are_nobodys_question() -> None:
    desk = Desk()
    few, new = made(16), made(80, before=SECOND)
    assert await desk.archived.without(few) == few
    assert await desk.archived.without(new) == new
    assert desk.ledger.asked == 0


async def test_while_the_archive_is_behind_a_pack_is_asked_about_once_a_minute() -> None:
    desk = Desk()
    packs = made(40)
    for _ in range(5):
        assert await desk.archived.without(packs) == packs
    assert desk.ledger.asked == 40
    desk.clock.advance(seconds=61)
    await desk.archive(*packs)
    assert await desk.archived.without(packs) == ()
    assert desk.ledger.asked == 80


async def test_a_pack_older_than_any_queue_keeps_is_waited_for_no_longer() -> None:
    desk = Desk()
    assert await desk.archived.missing(made(2, before=16 * DAY)) == []
    assert desk.ledger.asked == 0, "the ledger may have forgotten it"


async def test_what_is_remembered_is_bounded() -> None:
    desk = Desk(remembered=10)
    packs = made(30)
    await desk.archive(*packs[:20])
    for _ in range(2):
        assert await desk.archived.missing(packs) == list(packs[20:])
    assert desk.ledger.asked > 40
