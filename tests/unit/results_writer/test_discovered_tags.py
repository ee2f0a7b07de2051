import asyncio
from dataclasses import dataclass, field

import pytest
from penstock.adapters.archive import OpenedPack, open_pack
from penstock.adapters.memory import FakeClock, MemoryKeyValueStore
from penstock.channels.readings import readings_message, to_columns
from penstock.domain.errors import StoreUnavailable
from penstock.domain.readings import Value
from penstock.resources import DISCOVERED_TAGS
from penstock.runtime.lifecycle import Stop
from results_writer.discovered_tags import DiscoveredTags, KnownTags

from tests.factories import NOON, make_reading
from tests.fixtures.waiting import until

KNOWN = KnownTags(
    prefixes=frozenset({"/S/P-1", "/S/LINE/M"}),
    paths=frozenset({"/odd"}),
    paths_of_gateways=frozenset({("gw-7", "/mine")}),
)


@dataclass
class Rig:
    store: MemoryKeyValueStore = field(default_factory=MemoryKeyValueStore)
    clock: FakeClock = field(default_factory=FakeClock)
    known: KnownTags = KNOWN
    error: Exception | None = None
    reads: int = 0

    def __post_init__(self) -> None:
        self.discovered = DiscoveredTags(self.store, self.clock, known_tags=self._known)

    async def _known(self) -> KnownTags:
        self.reads += 1
        if self.error:
            raise self.error
        return self.known

    async def listed(self) -> dict[str, dict[str, object]]:
        return {str(i["tag"]): i async for i in self.store.scan(DISCOVERED_TAGS.name)}


def make_pack(*tags: str, value: Value = 1.5, gateway_id: str = "gw-7") -> OpenedPack:
    readings = [make_reading(tag=tag, value=value, gateway_id=gateway_id) for tag in tags]
    return open_pack(readings_message(to_columns(readings), pack_id="p", created_at=NOON))


@pytest.mark.parametrize(
    ("gateway_id", "path", "is_known"),
    [
        ("gw-7", "/S/P-1/TEMP", True),
        ("gw-7", "/S/P-1/VIB/X", True),
        ("gw-7", "/S/LINE/M/T", True),
        ("gw-7", "/S/P-1", False),
        ("gw-7", "/S/P-10/TEMP", False),
        ("gw-9", "/odd", True),
        ("gw-7", "/mine", True),
        ("gw-9", "/mine", False),
        ("gw-7", "plain", False),
        ("gw-7", "", False),
    ],
)
def test_a_tag_is_known_below_a_prefix_or_by_hand(
    gateway_id: str, path: str, *, is_known: bool
) -> None:
    assert KNOWN.has(gateway_id, path) is is_known


async def test_tags_of_no_asset_are_listed_with_an_example() -> None:
    rig = Rig()
    rig.discovered.offer([make_pack("/S/P-1/TEMP", "/S/P-9/TEMP", "/odd")])
    await rig.discovered.list_pending()
    seen = rig.clock.now()
    assert await rig.listed() == {
        "/S/P-9/TEMP": {
            "gateway_id": "gw-7", "tag": "/S/P-9/TEMP", "first_seen": seen, "last_seen": seen,
            "example": "1.5",
        }
    }  # fmt: skip


async def test_first_seen_stays_and_last_seen_moves_at_most_once_an_hour() -> None:
    rig = Rig()
    first = rig.clock.now()
    rig.discovered.offer([make_pack("/new")])
    await rig.discovered.list_pending()
    rig.clock.advance(seconds=600)
    rig.discovered.offer([make_pack("/new", value="RUN")])
    await rig.discovered.list_pending()
    assert (await rig.listed())["/new"]["last_seen"] == first
    rig.clock.advance(seconds=3600)
    rig.discovered.offer([make_pack("/new", value="RUN")])
    await rig.discovered.list_pending()
    item = (await rig.listed())["/new"]
    assert (item["first_seen"], item["last_seen"]) == (first, rig.clock.now())
    assert item["example"] == "RUN"


async def test_the_context_is_not_read_for_every_batch() -> None:
    rig = Rig()
    for n in range(5):
        rig.discovered.offer([make_pack(f"/t{n}")])
        await rig.discovered.list_pending()
    assert rig.reads == 1
    rig.clock.advance(seconds=16)
    rig.discovered.offer([make_pack("/later")])
    await rig.discovered.list_pending()
    assert rig.reads == 2


async def test_offering_more_than_fits_is_not_kept() -> None:
    rig = Rig()
    for start in range(0, 12_000, 1_000):
        tags = [f"/t{n}" for n in range(start, start + 1_000)]
        rig.discovered.offer([make_pack(*tags)])
    await rig.discovered.list_pending()
    assert len(await rig.listed()) == 10_000


async def test_without_a_context_nothing_is_listed_and_it_goes_on_by_itself() -> None:
    rig = Rig(error=StoreUnavailable("aurora is gone"))
    stop = Stop()
    running = asyncio.create_task(rig.discovered.run(stop))
    rig.discovered.offer([make_pack("/new")])
    await until(lambda: rig.reads == 1)
    stop.set()
    await running
    assert await rig.listed() == {}
    rig.error = None
    stop = Stop()
    running = asyncio.create_task(rig.discovered.run(stop))
    rig.discovered.offer([make_pack("/new")])
    await until(lambda: bool(rig.store.items.get(DISCOVERED_TAGS.name)))
    stop.set()
    await running
    assert set(await rig.listed()) == {"/new"}
