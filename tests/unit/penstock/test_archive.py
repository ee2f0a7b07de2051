import json
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.adapters.archive import OpenedPack, ReadingsArchive, open_pack
from penstock.adapters.memory import MemoryObjectStore
from penstock.channels.readings import (
    ReadingColumns,
    readings_message,
    rejects_message,
    to_columns,
)
from penstock.domain.errors import MalformedPayload
from penstock.domain.ids import GatewayId, TagPath
from penstock.domain.readings import Quality, Reading, ReadingFlag, Reject, Value
from penstock.domain.readings import Sequence as SequenceReading
from penstock.domain.time import DAY, HOUR, MINUTE, Micros

from tests.factories import NOON, make_reading
from tests.properties import examples

GW = GatewayId("gw-7")
TEMP = TagPath("/SITE01/P-101/TEMP")


def make_pack(readings: Sequence[Reading], *, pack_id: str = "pack-1") -> OpenedPack:
    return open_pack(readings_message(to_columns(readings), pack_id=pack_id, created_at=NOON))


def make_sequence(*, at: int = NOON, data: tuple[float, ...] = (1.0, 2.5), accepted_at: int = NOON,
                  sensor: str = "s1") -> SequenceReading:  # fmt: skip
    return SequenceReading(GW, sensor, "anomaly", Micros(at), data, Micros(accepted_at))


async def test_every_kind_of_value_comes_back_as_it_was() -> None:
    archive = ReadingsArchive(MemoryObjectStore())
    values: list[Value] = [71.25, 3, True, False, "RUNNING", "", None, 10**400, -0.0]
    readings = [
        make_reading(at=NOON + n, value=value, quality=Quality(n % 3), raw_quality=raw)
        for n, (value, raw) in enumerate(zip(values, [None, "192", *[None] * 7], strict=True))
    ]
    await archive.write([make_pack(readings)])
    found = await archive.read(NOON, Micros(NOON + HOUR), tags=[(GW, TEMP)])
    told = [reading.value for reading in found]
    assert told == [71.25, 3, True, False, "RUNNING", "", None, float("inf"), 0.0]
    assert [type(value) for value in told[2:4]] == [bool, bool]
    assert [r for r in found if r.value != float("inf")] == [
        r for r in readings if r.value != 10**400
    ]


async def test_readings_stand_in_the_partition_of_their_event_time() -> None:
    store = MemoryObjectStore()
    late = make_reading(at=NOON - DAY, accepted_at=NOON)
    await ReadingsArchive(store).write([make_pack([make_reading(), late])])
    folders = [key.rpartition("/")[0] for key in sorted(store.objects)]
    assert folders == ["readings/dt=2026-11-19/hour=12", "readings/dt=2026-11-20/hour=12"]


async def test_a_repeated_batch_overwrites() -> None:
    store = MemoryObjectStore()
    packs = [make_pack([make_reading(at=NOON + n)], pack_id=f"pack-{n}") for n in range(3)]
    await ReadingsArchive(store).write(packs)
    before = dict(store.objects)
    await ReadingsArchive(store).write(list(reversed(packs)))
    assert store.objects == before


async def test_of_readings_accepted_twice_the_later_acceptance_wins() -> None:
    archive = ReadingsArchive(MemoryObjectStore())
    first = make_reading(value=1.0, accepted_at=NOON + 1)
    second = make_reading(value=2.0, accepted_at=NOON + 2)
    await archive.write([make_pack([second], pack_id="b")])
    await archive.write([make_pack([first], pack_id="a"), make_pack([second], pack_id="b")])
    assert await archive.read(NOON, Micros(NOON + 1), tags=[(GW, TEMP)]) == [second]


async def test_reading_is_by_tag_of_a_gateway_and_by_prefix() -> None:
    archive = ReadingsArchive(MemoryObjectStore())
    tags = ["/S/P-1/TEMP", "/S/P-1/VIB/X", "/S/P-10/TEMP", "/S/P-1", "/S/P-2/TEMP"]
    readings = [make_reading(tag=tag) for tag in tags]
    other = make_reading(gateway_id="gw-8", tag="/S/P-2/TEMP")
    await archive.write([make_pack([*readings, other])])

    async def found(tag_list: Sequence[str] = (), prefixes: Sequence[str] = ()) -> list[str]:
        rows = await archive.read(
            NOON,
            Micros(NOON + HOUR),
            tags=[(GW, TagPath(tag)) for tag in tag_list],
            prefixes=[TagPath(prefix) for prefix in prefixes],
        )
        return [f"{row.gateway_id}{row.tag}" for row in rows]

    assert await found(prefixes=["/S/P-1"]) == ["gw-7/S/P-1/TEMP", "gw-7/S/P-1/VIB/X"]
    assert await found(["/S/P-2/TEMP"]) == ["gw-7/S/P-2/TEMP"]
    assert await found(["/S/P-1"], ["/S/P-10"]) == ["gw-7/S/P-1", "gw-7/S/P-10/TEMP"]
    assert await found() == []


async def test_a_range_is_read_over_hours_and_days_in_order() -> None:
    archive = ReadingsArchive(MemoryObjectStore())
    times = [NOON + n * 30 * MINUTE for n in range(60)]
    shuffled = random.Random(7).sample(times, len(times))
    await archive.write([make_pack([make_reading(at=at) for at in shuffled])])
    since, until = Micros(times[5]), Micros(times[50])
    found = await archive.read(since, until, tags=[(GW, TEMP)])
    assert [reading.at for reading in found] == times[5:50]


@examples(30)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 200), st.integers(0, 5), st.floats(-9, 9)),
        max_size=40,
    ),
    st.integers(0, 200),
    st.integers(0, 200),
    st.randoms(use_true_random=False),
)
async def test_what_is_read_is_what_a_dictionary_would_hold(
    rows: list[tuple[int, int, int, float]], since: int, until: int, order: random.Random
) -> None:
    readings = [
        make_reading(tag=f"/S/{tag}/T", at=NOON + at * 5 * MINUTE, accepted_at=NOON + n * 9 + late,
                     value=value)
        for n, (tag, at, late, value) in enumerate(rows)
    ]  # fmt: skip
    archive = ReadingsArchive(MemoryObjectStore())
    packs = [make_pack([reading], pack_id=f"p{n}") for n, reading in enumerate(readings)]
    order.shuffle(packs)
    for start in range(0, len(packs), 7):
        await archive.write(packs[start : start + 9])
    held: dict[tuple[str, int], Reading] = {}
    for reading in sorted(readings, key=lambda reading: reading.accepted_at):
        held[reading.tag, reading.at] = reading
    low, high = Micros(NOON + since * 5 * MINUTE), Micros(NOON + until * 5 * MINUTE)
    found = await archive.read(low, high, prefixes=[TagPath("/S/0"), TagPath("/S/2")])
    wanted = [
        reading
        for (tag, at), reading in held.items()
        if tag[:4] in ("/S/0", "/S/2") and low <= at < high
    ]
    assert sorted(found, key=str) == sorted(wanted, key=str)


async def test_a_sequence_sent_again_is_read_as_accepted_last() -> None:
    archive = ReadingsArchive(MemoryObjectStore())
    first, second = make_sequence(), make_sequence(data=(9.0,), accepted_at=NOON + 1)
    other = make_sequence(sensor="s2")
    columns = to_columns([], [second, other, first])
    await archive.write([open_pack(readings_message(columns, pack_id="p", created_at=NOON))])
    until = Micros(NOON + HOUR)
    assert await archive.read_sequences(NOON, until, sensors=["s1"]) == [second]
    assert await archive.read_sequences(NOON, until, sensors=["s1", "s2"]) == [second, other]


async def test_rejects_are_kept_as_lines_with_their_reasons() -> None:
    store = MemoryObjectStore()
    rejects = [
        Reject(GW, "req-1", n, "value is missing", '{"tag": "ü"}', Micros(NOON)) for n in (0, 4)
    ]
    pack = open_pack(rejects_message(rejects, pack_id="pack-9", created_at=NOON))
    await ReadingsArchive(store).write([pack])
    (lines,) = [body.splitlines() for key, body in store.objects.items()
                if key == "quarantine/dt=2026-11-20/hour=12/pack-9.jsonl"]  # fmt: skip
    assert [json.loads(line) for line in lines] == [
        {"gateway_id": "gw-7", "request_id": "req-1", "index": index,
         "reason": "value is missing", "item": '{"tag": "ü"}', "accepted_at": NOON}
        for index in (0, 4)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "columns",
    [
        ReadingColumns(gateways=["g"], tags=[(0, "t")], tag=[0], at=[NOON], value=[1.0]),
        ReadingColumns(["g"], [(0, "t")], [1], [NOON], [1.0], [NOON]),
        ReadingColumns(["g"], [(1, "t")], [0], [NOON], [1.0], [NOON]),
        ReadingColumns(["g"], [(0, "t")], [0], [-1], [1.0], [NOON]),
        ReadingColumns(["g"], [(0, "t")], [0], [10**18], [1.0], [NOON]),
        ReadingColumns(["g"], [(0, "t")], [0], [NOON], [1.0], [10**30]),
        ReadingColumns(["g"], [(0, "t")], [0], [NOON], [1.0], [NOON], quality=[0, 0]),
    ],
)
def test_columns_that_do_not_fit_together_are_malformed(columns: ReadingColumns) -> None:
    with pytest.raises(MalformedPayload):
        open_pack(readings_message(columns, pack_id="p", created_at=NOON))


def test_a_pack_tells_its_tags_with_their_last_values_and_its_size() -> None:
    pack = make_pack([make_reading(value=1), make_reading(value=2), make_reading(tag="/X")])
    assert list(pack.tags) == [(GW, TEMP, 2), (GW, "/X", 71.2)]
    assert pack.size == 3


def test_flags_come_back() -> None:
    reading = make_reading(flags=ReadingFlag.ASSUMED_TIME)
    assert make_pack([reading]).columns.flags == [1]
