import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_api.document import Mark, item_text, parse_document
from penstock.domain.errors import MalformedPayload


def test_numbers_that_json_does_not_have_are_marked_and_the_rest_is_read() -> None:
    document = parse_document(b'{"a": NaN, "b": Infinity, "c": -Infinity, "d": 1e999, "e": 1}')
    assert document == {
        "a": Mark.NAN,
        "b": Mark.INFINITY,
        "c": Mark.NEGATIVE_INFINITY,
        "d": Mark.INFINITY,
        "e": 1,
    }


def test_large_integers_stay_exact() -> None:
    assert parse_document(b"[9007199254740993, NaN]")[0] == 9007199254740993
    assert parse_document(b"[9007199254740993]")[0] == 9007199254740993


def test_the_last_of_two_members_of_one_name_counts() -> None:
    assert parse_document(b'{"v": 1, "v": 2}') == {"v": 2}
    assert parse_document(b'{"v": 1, "v": 2, "w": NaN}')["v"] == 2


@pytest.mark.parametrize(
    "body", ['{"a": 1}'.encode("utf-16"), b'\xef\xbb\xbf{"a": 1}', b' {"a": 1}\r\n']
)
def test_byte_order_marks_and_utf_16_are_read(body: bytes) -> None:
    assert parse_document(body) == {"a": 1}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1,]", b"tag=1", b"\xff\xfe\x00", b'{"a": \x00}', b"[" * 200_000,
     b'{"a":' * 200_000, b'"' + b"\xe9" * 3 + b'"', b"-", b"1" * 5_000 + b"x"],
)  # fmt: skip
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedPayload):
        parse_document(body)


def test_a_number_of_thousands_of_digits_is_marked() -> None:
    assert parse_document(b"[" + b"1" * 5_000 + b"]") == [Mark.INFINITY]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_malformed(body: bytes) -> None:
    try:
        parse_document(body)
    except MalformedPayload:
        return


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_any_document_can_be_shown(document: object) -> None:
    text = item_text(document, limit=50)
    assert len(text) <= 50
    text.encode()


def test_marks_and_lone_surrogates_can_be_shown() -> None:
    assert item_text({"v": Mark.NAN}, limit=99) == '{"v":"NaN"}'
    assert item_text({"v": Mark.NAN, "t": "\ud800"}, limit=99) == '{"v": "NaN", "t": "\\ud800"}'
    assert item_text({"v": math.nan}, limit=99) == '{"v":null}'
