import json
from typing import Any

import pytest
from penstock.domain.errors import MalformedPayload
from penstock.domain.readings import Quality
from penstock.domain.time import parse_iso
from penstock.source import SourceAnswer, SourceRequest, SourceSlice, TruncatedAnswer, Walk
from penstock.sources.paged_json import PagedJsonOptions, decode, next_request, page_count
from pydantic import ValidationError

SLICE = SourceSlice(
    parse_iso("2026-11-01T00:00:00.5Z"), parse_iso("2026-11-02T00:00:00.5Z"), ("/S/A", "/S/B")
)
PAGED: dict[str, Any] = {
    "path": "/api",
    "params": {"page": "{page}", "size": "{page_size}"},
    "records_path": "records",
}


def make_options(**paging: Any) -> PagedJsonOptions:
    return PagedJsonOptions(**PAGED, paging={"type": "page", "page_size": 2, **paging})


def page_of(rows: int, **told: Any) -> bytes:
    record = {"tag": "/S/A", "time": "2026-11-01T00:00:00Z", "value": 1}
    return json.dumps({"records": [record] * rows, **told}).encode()


def walk_rows(options: PagedJsonOptions, *bodies: bytes, slice_: SourceSlice = SLICE) -> int:
    """How many answers are asked for; the last body is given again and again."""
    walk = Walk()
    while (request := next_request(slice_, options, walk)) is not None:
        assert walk.answers < 10
        body = bodies[min(walk.answers, len(bodies) - 1)]
        rows = len(decode(body, request.tags, options))
        walk = walk.after(SourceAnswer(request, body, rows))
    return walk.answers


def test_without_a_total_pages_are_walked_until_an_empty_one() -> None:
    assert walk_rows(make_options(), page_of(2), page_of(2), page_of(1), page_of(0)) == 4


def test_a_source_may_end_with_a_short_page() -> None:
    assert walk_rows(make_options(ends_with="short"), page_of(2), page_of(1)) == 2


def test_a_short_page_before_another_lost_records() -> None:
    with pytest.raises(TruncatedAnswer, match="short although records follow") as caught:
        walk_rows(make_options(), page_of(2), page_of(1), page_of(2), page_of(0))
    assert caught.value.restart


def test_pages_end_with_the_total() -> None:
    options = make_options(total_path="total")
    assert walk_rows(options, page_of(2, total=3), page_of(1, total=3)) == 2
    assert walk_rows(options, page_of(0, total=0)) == 1


def test_a_short_page_with_more_to_come_is_truncated_and_asked_for_again() -> None:
    with pytest.raises(TruncatedAnswer, match="more follow") as caught:
        walk_rows(make_options(total_path="total"), page_of(2, total=5), page_of(1, total=5))
    assert not caught.value.restart


def test_an_empty_page_before_the_told_last_one_is_truncated() -> None:
    with pytest.raises(TruncatedAnswer):
        walk_rows(make_options(pages_path="pages"), page_of(2, pages=3), page_of(0, pages=3))


def test_fewer_records_than_the_total_begin_the_walk_again() -> None:
    options = make_options(total_path="total", pages_path="pages")
    with pytest.raises(TruncatedAnswer, match="3 records came of the 4") as caught:
        walk_rows(options, page_of(2, total=4, pages=2), page_of(1, total=4, pages=2))
    assert caught.value.restart


def test_one_page_alone_is_checked_against_the_total() -> None:
    options = make_options(total_path="total", first_page=0)
    third = SourceSlice(SLICE.since, SLICE.until, SLICE.tags, page=3, page_size=2)
    request = next_request(third, options, Walk())
    assert request is not None
    assert dict(request.params)["page"] == "2"
    assert walk_rows(options, page_of(1, total=5), slice_=third) == 1
    with pytest.raises(TruncatedAnswer, match="0 of the 1"):
        walk_rows(options, page_of(0, total=5), slice_=third)


def test_page_count_comes_from_pages_or_total() -> None:
    answer = SourceAnswer(SourceRequest("/api"), page_of(2, total=7, pages=9), 2)
    assert page_count(SLICE, answer, make_options(total_path="total")) == 4
    assert page_count(SLICE, answer, make_options(pages_path="pages")) == 9
    assert page_count(SLICE, answer, make_options()) is None


def test_a_job_asks_for_no_larger_pages_than_the_source_bears() -> None:
    asked = SourceSlice(SLICE.since, SLICE.until, SLICE.tags, page_size=1_000)
    request = next_request(asked, make_options(), Walk())
    assert request is not None
    assert dict(request.params)["size"] == "2"


def test_whole_seconds_are_rounded_outwards() -> None:
    options = PagedJsonOptions(
        path="/h", params={"from": "{start}", "to": "{end}"}, time_format="epoch_s"
    )
    request = next_request(SLICE, options, Walk())
    assert request is not None
    assert dict(request.params) == {"from": "1793491200", "to": "1793577601"}


def test_a_cursor_that_repeats_is_an_endless_walk_and_refused() -> None:
    options = PagedJsonOptions(
        path="/h",
        params={"after": "{cursor}"},
        paging={"type": "cursor", "cursor_path": "next"},
        records_path="records",
    )
    with pytest.raises(TruncatedAnswer, match="same page"):
        walk_rows(options, page_of(1, next="k"))


def test_a_link_may_be_relative() -> None:
    options = PagedJsonOptions(path="/h", paging={"type": "link_header"})
    first = next_request(SLICE, options, Walk())
    assert first is not None
    for link, target, is_link in [
        ('<?p=2>; rel="next"', "/h?p=2", False),
        ('</v2/h?p=2>; rel="last next"', "/v2/h?p=2", True),
        ('</v2/h?p=2>; title="x"; rel=next', "/v2/h?p=2", True),
        ('<https://a.example.com/h?p=2>; rel="next"', "https://a.example.com/h?p=2", True),
        ('</h?p=1>; rel="prev"', None, False),
    ]:
        walk = Walk().after(SourceAnswer(first, b"[]", 0, {"link": link}))
        found = next_request(SLICE, options, walk)
        assert (found.target if found else None) == target, link
        assert found is None or found.link is is_link


def test_a_tag_in_the_path_cannot_climb_out_of_it() -> None:
    options = PagedJsonOptions(path="/tags/{tag}/history")
    request = next_request(
        SourceSlice(SLICE.since, SLICE.until, ("../../admin?x=1#",)), options, Walk()
    )
    assert request is not None
    assert request.target == "/tags/..%2F..%2Fadmin%3Fx%3D1%23/history"


def test_times_without_zone_need_one() -> None:
    body = b'[{"tag": "/S/A", "time": "2026-07-01 12:00:00", "value": 1}]'
    with pytest.raises(MalformedPayload, match="no zone"):
        decode(body, [], PagedJsonOptions(path="/h"))
    vienna = PagedJsonOptions(path="/h", time_zone="Europe/Vienna")
    assert decode(body, [], vienna)[0].at == parse_iso("2026-07-01T10:00:00Z")


def test_keys_and_paths_are_the_sources_own() -> None:
    options = PagedJsonOptions(
        path="/h", records_path="result.0.rows", tag_key="id", time_key="t", value_key="val",
        quality_key="st", time_unit="ms",
        quality_scheme="opc_ua",
    )  # fmt: skip
    body = b'{"result": [{"rows": [{"id": "T1", "t": 5, "val": "on", "st": 2147483648}]}]}'
    assert decode(body, [], options) == [("T1", 5_000, "on", Quality.BAD)]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"time": 1, "value": 1}, "tag_key"),
        ({"tag": "/S/A", "value": 1}, "no usable time"),
        ({"tag": "/S/A", "time": True, "value": 1}, "no usable time"),
        ({"tag": "/S/A", "time": 1e300, "value": 1}, "no usable time"),
        ({"tag": "/S/A", "time": 1}, "value_key"),
        (7, "not an object"),
    ],
)
def test_a_record_that_lacks_a_part_names_the_option_to_check(row: Any, why: str) -> None:
    with pytest.raises(MalformedPayload, match=why):
        decode(json.dumps([row]).encode(), ["/S/A", "/S/B"], PagedJsonOptions(path="/h"))


def test_columns_of_different_length_are_truncated() -> None:
    options = PagedJsonOptions(path="/h", columnar=True)
    with pytest.raises(TruncatedAnswer):
        decode(b'{"time": [1, 2], "value": [1]}', ["/S/A"], options)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"path": "/h", "params": {"a": "{tga}"}}, "no such placeholder: tga"),
        ({"path": "/h", "paging": {"type": "page"}}, "needs {page}"),
        ({"path": "/h/{cursor}", "paging": {"type": "cursor"}}, "cursor_path"),
        ({"path": "/h", "time_zone": "Middle/Earth"}, "no time zone"),
        ({"path": "/h", "recods_path": "x"}, "recods_path"),
    ],
)
def test_impossible_options_are_refused_by_name(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        PagedJsonOptions.model_validate(options)
