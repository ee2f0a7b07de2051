import json
from typing import Any

import pytest
from penstock.domain.errors import MalformedPayload
from penstock.domain.readings import Quality
from penstock.domain.time import parse_iso
from penstock.source import SourceAnswer, SourceRequest
from penstock.sources.n3uron import N3uronOptions, decode, doubt

AT = parse_iso("2023-11-14T22:13:20Z")
TS = 1_700_000_000_000
OPTIONS = N3uronOptions()

SHAPES: list[Any] = [
    {"data": [{"value": 1.5, "quality": 192, "ts": TS}]},
    [{"v": 1.5, "q": 192, "ts": TS}],
    {"/A/B": [{"v": 1.5, "q": 192, "ts": TS}], "/A/C": []},
    [{"path": "/A/B", "data": [{"value": 1.5, "quality": 192, "ts": TS}]}],
    {"data": {"/A/B": [{"v": 1.5, "q": 192, "t": TS}]}},
    {"data": {"value": 1.5, "quality": 192, "ts": TS}},
    {"data": [{"path": "/A/B", "values": [{"v": 1.5, "time": "2023-11-14T22:13:20Z"}]}]},
    {"data": [{"tag": "/A/B", "value": 1.5, "timestamp": 1_700_000_000}]},
]


@pytest.mark.parametrize("shape", SHAPES, ids=json.dumps)
def test_every_known_shape_is_read(shape: Any) -> None:
    assert decode(json.dumps(shape).encode(), ["/A/B"], OPTIONS) == [
        ("/A/B", AT, 1.5, Quality.GOOD)
    ]


@pytest.mark.parametrize("value", [0, 0.0, False, "", "L", None, -1])
def test_falsy_values_are_values(value: Any) -> None:
    body = json.dumps([{"v": value, "q": 192, "ts": TS}]).encode()
    assert decode(body, ["/A/B"], OPTIONS)[0].value == value


@pytest.mark.parametrize("body", [b"[]", b'{"data": []}', b'{"data": {}}', b'{"/A/B": []}', b"{}"])
def test_a_window_without_samples_is_normal(body: bytes) -> None:
    assert decode(body, ["/A/B"], OPTIONS) == []


def test_a_missing_quality_is_good_and_nan_is_a_bad_null() -> None:
    body = b'[{"v": 2, "ts": 1700000000000}, {"v": NaN, "q": 192, "ts": 1700000001000}]'
    first, second = decode(body, ["/A/B"], OPTIONS)
    assert first.quality is Quality.GOOD
    assert (second.value, second.quality) == (None, Quality.BAD)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'[{"v": 1, "ts": "yesterday"}]', "no usable ts"),
        (b'[{"v": 1, "ts": null}]', "no usable ts"),
        (b'{"status": "ok"}', "no samples in it"),
        (b'{"data": [1, 2]}', "where samples were expected"),
    ],
)
def test_what_is_no_history_is_told_apart_from_none(body: bytes, why: str) -> None:
    with pytest.raises(MalformedPayload, match=why):
        decode(body, ["/A/B"], OPTIONS)


def test_a_sample_without_a_path_among_several_tags_is_refused() -> None:
    with pytest.raises(MalformedPayload, match="names no tag"):
        decode(b'[{"v": 1, "ts": 1}]', ["/A/B", "/A/C"], OPTIONS)


@pytest.mark.parametrize(
    ("rows", "doubtful"), [(0, False), (999, False), (1000, True), (5000, True)]
)
def test_a_round_count_looks_like_a_silent_limit(rows: int, *, doubtful: bool) -> None:
    answer = SourceAnswer(SourceRequest("/tag"), b"", rows)
    assert (doubt(answer, OPTIONS) is not None) is doubtful
    assert doubt(answer, N3uronOptions(suspicious_rows=0)) is None
