from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from penstock.channels.readings import (
    ReadingBlock,
    columns_of_blocks,
    reading_columns,
    readings_message,
    readings_of,
)
from penstock.domain.ids import GatewayId, TagPath
from penstock.domain.readings import Quality, RawQuality, Reading, ReadingFlag
from penstock.domain.time import Micros


@st.composite
def blocks(draw: st.DrawFn) -> ReadingBlock:
    count = draw(st.integers(0, 5))

    def column(of: st.SearchStrategy[Any], *, may_be_empty: bool) -> list[Any]:
        full = st.lists(of, min_size=count, max_size=count)
        return draw(full | st.just([]) if may_be_empty else full)

    return ReadingBlock(
        GatewayId(draw(st.sampled_from(["gw-1", "gw-2"]))),
        Micros(draw(st.integers(0, 2**52))),
        column(st.sampled_from(["/A", "/B", "C.D"]), may_be_empty=False),
        column(st.integers(0, 2**52), may_be_empty=False),
        column(st.sampled_from([1, 2.5, None, "x", True]), may_be_empty=False),
        column(st.integers(0, 2), may_be_empty=True),
        column(st.sampled_from([192, "good", None, True]), may_be_empty=True),
        column(st.integers(0, 3), may_be_empty=True),
    )


def rows_of(block: ReadingBlock) -> list[Reading]:
    count = len(block.tags)
    raw: list[RawQuality] = block.raw_quality or [None] * count
    return [
        Reading(
            block.gateway_id, TagPath(block.tags[row]), Micros(block.at[row]), block.value[row],
            Quality((block.quality or [0] * count)[row]), block.accepted_at, raw[row],
            ReadingFlag((block.flags or [0] * count)[row]),
        )
        for row in range(count)
    ]  # fmt: skip


@given(st.lists(blocks(), max_size=4))
def test_blocks_travel_as_the_readings_they_hold(held: list[ReadingBlock]) -> None:
    message = readings_message(columns_of_blocks(held), pack_id="p", created_at=Micros(1))
    travelled = list(readings_of(reading_columns(message)))
    assert travelled == [reading for block in held for reading in rows_of(block)]


@given(blocks(), st.integers(0, 5))
def test_a_block_cut_in_two_holds_the_same_rows(block: ReadingBlock, middle: int) -> None:
    parts = [block.rows(0, middle), block.rows(middle, len(block.tags))]
    assert [reading for part in parts for reading in rows_of(part)] == rows_of(block)


@given(blocks())
def test_picking_rows_keeps_their_columns_together(block: ReadingBlock) -> None:
    picked = list(range(0, len(block.tags), 2))
    assert rows_of(block.only(picked)) == [rows_of(block)[row] for row in picked]
