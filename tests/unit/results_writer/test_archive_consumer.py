import pytest
from penstock.adapters.archive import OpenedPack, ReadingsArchive
from penstock.adapters.memory import FakeClock, MemoryKeyValueStore, MemoryObjectStore
from penstock.channels.readings import (
    ReadingColumns,
    ReadingsMessage,
    readings_message,
    rejects_message,
    to_columns,
)
from penstock.domain.errors import StoreUnavailable
from penstock.domain.ids import GatewayId, PackId, TagPath
from penstock.domain.readings import Reject
from penstock.domain.time import HOUR, Micros
from penstock.ledger import Ledger
from penstock.ports import Write
from penstock.runtime.telemetry import Metrics
from results_writer.archive_consumer import ArchiveWriter

from tests.factories import NOON, make_reading


class Rig:
    def __init__(self) -> None:
        self.objects = MemoryObjectStore()
        self.tables = MemoryKeyValueStore()
        self.archived: list[OpenedPack] = []
        self.metrics = Metrics("test")
        self.ledger = Ledger(self.tables, FakeClock())
        self.writer = ArchiveWriter(
            self.objects, ledger=self.ledger, metrics=self.metrics,
            on_archived=self.archived.extend,
        )  # fmt: skip


def make_message(pack_id: str, *, count: int = 2) -> ReadingsMessage:
    readings = [make_reading(tag=f"/S/{pack_id}/T{n}") for n in range(count)]
    return readings_message(to_columns(readings), pack_id=pack_id, created_at=NOON)


async def test_packs_are_archived_entered_and_told() -> None:
    rig = Rig()
    reject = Reject(GatewayId("gw-7"), "r", 0, "no value", "{}", Micros(NOON))
    rejects = rejects_message([reject], pack_id="q", created_at=NOON)
    assert await rig.writer.write([make_message("a"), rejects, make_message("a")]) == {}
    archive = ReadingsArchive(rig.objects)
    found = await archive.read(NOON, Micros(NOON + HOUR), prefixes=[TagPath("/S/a")])
    assert len(found) == 2
    entered = await rig.ledger.counts(PackId("a"))
    assert entered == {"archive": {"readings": 2, "sequences": 0, "rejects": 0}}
    entered = await rig.ledger.counts(PackId("q"))
    assert entered == {"archive": {"readings": 0, "sequences": 0, "rejects": 1}}
    assert [pack.pack_id for pack in rig.archived] == ["a", "q"]
    rig.metrics.close()


async def test_a_torn_pack_is_told_by_position_and_the_others_are_kept() -> None:
    rig = Rig()
    torn = readings_message(
        ReadingColumns(["g"], [(0, "t")], [9], [NOON], [1.0], [NOON]), pack_id="t", created_at=NOON
    )
    unreadable = await rig.writer.write([make_message("a"), torn])
    assert set(unreadable) == {1}
    assert await rig.ledger.has(PackId("a"), "archive")
    assert not await rig.ledger.has(PackId("t"), "archive")
    rig.metrics.close()


async def test_the_entry_never_stands_before_the_objects() -> None:
    rig = Rig()
    objects_at_entry: list[int] = []
    rig.tables.on_write = lambda _: objects_at_entry.append(len(rig.objects.objects))
    await rig.writer.write([make_message("a")])
    assert objects_at_entry == [1]
    rig.metrics.close()


async def test_a_pack_whose_entry_failed_is_written_again_over_itself() -> None:
    rig = Rig()

    def fail(_write: Write) -> None:
        raise StoreUnavailable("no tables")

    rig.tables.on_write = fail
    with pytest.raises(StoreUnavailable):
        await rig.writer.write([make_message("a")])
    assert rig.archived == []
    rig.tables.on_write = None
    await rig.writer.write([make_message("a")])
    assert len(rig.objects.objects) == 1
    rig.metrics.close()
