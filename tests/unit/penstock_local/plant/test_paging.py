import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock_local.plant.paging import Records, cursor_page, numbered_page
from penstock_local.plant.samples import Samples, iso_time, parse_time


def series(tag: str, times: list[int]) -> Samples:
    times = sorted(times)
    values = np.array(times, np.float64) / 10
    return Samples(tag, np.array(times, np.int64), values, np.full(len(times), 192, np.int64))


many = st.lists(st.lists(st.integers(0, 40), max_size=20), max_size=4)


@given(many, st.integers(1, 7))
def test_pages_hold_every_record_once_and_in_order(times: list[list[int]], size: int) -> None:
    parts = [series(f"/T{number}", some) for number, some in enumerate(times)]
    records = Records.of(parts)
    first = numbered_page(records, 1, size)
    pages = [numbered_page(records, page, size) for page in range(1, first["pages"] + 1)]
    found = [r for page in pages for r in page["records"]]
    assert len(found) == first["total"] == sum(map(len, times))
    assert [r["time"] for r in found] == sorted(r["time"] for r in found)
    by_cursor = []
    cursor: str | None = ""
    while cursor is not None:
        page = cursor_page(records, cursor, size)
        by_cursor += page["records"]
        cursor = page["next_cursor"]
    assert by_cursor == found
    assert sorted((r["tag"], r["time"]) for r in found) == sorted(
        (part.tag, iso_time(at)) for part in parts for at in part.times.tolist()
    )


def test_a_record_has_plain_values() -> None:
    (record,) = Records.of([series("/T", [1_767_225_600_250])]).slice(0, 1)
    assert record == {
        "tag": "/T",
        "time": "2026-01-01T00:00:00.250Z",
        "value": 176_722_560_025.0,
        "quality": 192,
    }


def test_a_page_past_the_last_one_is_empty() -> None:
    page = numbered_page(Records.of([series("/T", [1, 2, 3])]), 9, 2)
    assert (page["total"], page["pages"], page["records"]) == (3, 2, [])


@pytest.mark.parametrize("cursor", ["x", "ä", "YWJj", "YWZ0ZXI6LTE"])
def test_a_cursor_of_somebody_else_is_refused(cursor: str) -> None:
    with pytest.raises(ValueError, match="unknown cursor"):
        cursor_page(Records.of([]), cursor, 5)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00",
        "2026-01-01",
        "2026-01-01T01:00:00+01:00",
        "2026-01-01T01:00:00 01:00",
        "1767225600000",
    ],
)
def test_times_are_read_in_utc(text: str) -> None:
    assert parse_time(text) == 1_767_225_600_000
