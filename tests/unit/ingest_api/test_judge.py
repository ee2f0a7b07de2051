from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_api.columns import columns_of
from ingest_api.document import Mark
from ingest_api.judge import Judged, judge, judge_columns, judge_rows
from ingest_api.payload_format import Parsed, RawSequence
from ingest_api.reasons import ADVICE, Reason
from ingest_api.rules import Rules
from penstock.channels.readings import columns_of_blocks
from penstock.domain.ids import GatewayId
from penstock.domain.readings import Quality, ReadingFlag
from penstock.domain.time import parse_iso
from penstock.gateways import GatewayBody

from tests.properties import examples

NOW = parse_iso("2026-11-20T12:00:00Z")
MS = NOW // 1_000 - 5_000
GW = GatewayId("gw-7")


def rules(**changes: object) -> Rules:
    return Rules(GatewayBody.model_validate({"gateway_id": GW, **changes}))


def judged(items: list[Any], gateway: Rules | None = None) -> Judged:
    return judge(columns_of(items), gateway or rules(), gateway_id=GW, accepted_at=NOW)


def reading(**changes: object) -> dict[str, object]:
    return {"path": "/SITE01/P-101/TEMP", "value": 71.5, "quality": 192, "ts": MS, **changes}


def reasons(result: Judged) -> list[Reason]:
    return [refused.reason for refused in result.refused]


def test_every_reason_says_what_to_do() -> None:
    assert set(ADVICE) == set(Reason)


def test_a_good_reading_is_kept_with_its_raw_quality() -> None:
    block = judged([reading()]).block
    assert (block.tags, block.value, block.at) == (["/SITE01/P-101/TEMP"], [71.5], [MS * 1000])
    assert (block.quality, block.raw_quality, block.flags) == ([], [192], [])


@pytest.mark.parametrize("value", [0, False, 0.0, None, "", -1, 2**53 + 1, 2**64 - 1, -(2**63)])
def test_zero_false_null_and_large_numbers_are_values(value: object) -> None:
    result = judged([reading(value=value)])
    assert result.refused == []
    assert type(result.block.value[0]) is type(value)
    assert result.block.value[0] == value


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"value": Mark.NAN}, Reason.NOT_FINITE),
        ({"value": Mark.NEGATIVE_INFINITY}, Reason.NOT_FINITE),
        ({"value": float("nan")}, Reason.NOT_FINITE),
        ({"value": 2**64}, Reason.NUMBER_OUT_OF_RANGE),
        ({"value": {}}, Reason.VALUE_TYPE),
        ({"value": [1]}, Reason.VALUE_TYPE),
        ({"value": "ü" * 513}, Reason.TEXT_TOO_LONG),
        ({"value": "\ud800"}, Reason.TEXT_MALFORMED),
        ({"path": ""}, Reason.TAG_MALFORMED),
        ({"path": 7}, Reason.TAG_MALFORMED),
        ({"path": []}, Reason.TAG_MALFORMED),
        ({"path": "/A\x00B"}, Reason.TAG_MALFORMED),
        ({"path": "/" + "a" * 255}, Reason.TAG_MALFORMED),
        ({"path": None}, Reason.TAG_MISSING),
        ({"ts": 0}, Reason.TIME_TOO_OLD),
        ({"ts": MS + 366 * 86_400_000}, Reason.TIME_IN_FUTURE),
        ({"ts": "yesterday"}, Reason.TIME_MALFORMED),
        ({"ts": []}, Reason.TIME_MALFORMED),
        ({"ts": "2026-11-20T10:00:00"}, Reason.TIME_WITHOUT_ZONE),
    ],
)
def test_one_bad_reading_costs_only_itself(change: dict[str, object], reason: Reason) -> None:
    bad = reading(**change)
    result = judged([reading(value=1), bad, reading(value=2, ts=MS + 1)])
    assert reasons(result) == [reason]
    assert (result.refused[0].index, result.refused[0].item) == (1, bad)
    assert result.block.value == [1, 2]


def test_items_that_are_no_readings_are_refused_with_their_places() -> None:
    result = judged([reading(), 7, "text", {"value": 1}, {"path": "/A"}, None])
    assert [(refused.index, refused.reason) for refused in result.refused] == [
        (1, Reason.NOT_AN_OBJECT),
        (2, Reason.NOT_AN_OBJECT),
        (3, Reason.TAG_MISSING),
        (4, Reason.VALUE_MISSING),
        (5, Reason.NOT_AN_OBJECT),
    ]


def test_a_missing_time_is_the_arrival_and_flagged() -> None:
    block = judged([{"tag": "/A", "value": 1, "quality": "good"}]).block
    assert (block.at, block.flags) == ([NOW], [ReadingFlag.ASSUMED_TIME])


def test_a_missing_time_is_the_bodys_time_where_it_has_one() -> None:
    for items in (
        [{"tag": "/A", "value": 1}],
        [{"tag": "/A", "value": 1}, {"tag": "/B", "v": "x"}],
    ):
        parsed = columns_of(items)
        parsed.batch_time = MS
        block = judge(parsed, rules(), gateway_id=GW, accepted_at=NOW).block
        assert set(block.at) == {MS * 1000}
        assert set(block.flags) == {ReadingFlag.ASSUMED_QUALITY}


def test_a_missing_quality_is_the_gateways_default_and_flagged() -> None:
    block = judged([{"tag": "/A", "value": 1, "ts": MS}], rules(default_quality="uncertain")).block
    assert (block.quality, block.flags) == ([Quality.UNCERTAIN], [ReadingFlag.ASSUMED_QUALITY])


def test_qualities_that_the_scheme_does_not_know_are_uncertain_and_counted() -> None:
    result = judged([reading(quality=130), reading(quality=24, ts=MS + 1)])
    assert result.block.quality == [Quality.UNCERTAIN, Quality.BAD]
    assert result.unknown_qualities == 1


def test_paths_limit_what_a_gateway_may_name() -> None:
    limited = rules(paths=["/SITE01", "Channel1.Device1"])
    tags = ["/SITE01/A", "/SITE01", "/SITE011/A", "/SITE02/A", "Channel1.Device1.T", "Channel1.X"]
    result = judged([reading(path=tag) for tag in tags], limited)
    assert result.block.tags == ["/SITE01/A", "/SITE01", "Channel1.Device1.T"]
    assert set(reasons(result)) == {Reason.PATH_NOT_ALLOWED}


def test_unknown_tags_are_refused_where_the_gateway_says_so() -> None:
    strict = rules(unknown_tags="reject", tags=["/A"])
    result = judged([reading(path="/A"), reading(path="/B")], strict)
    assert (result.block.tags, reasons(result)) == (["/A"], [Reason.UNKNOWN_TAG])


def test_the_last_of_two_readings_of_one_identity_counts() -> None:
    result = judged([reading(value=1), reading(value=2), reading(value=3, ts=MS + 1)])
    assert (result.block.value, result.superseded, result.accepted) == ([2, 3], 1, 3)


def sequence(**changes: object) -> Parsed:
    said: dict[str, Any] = {"sensor": "pump-3", "model": "m-1", "data": [1, 2.5], "time": MS}
    return Parsed(sequences=[RawSequence(**{**said, **changes})])


def test_the_last_of_two_sequences_of_one_sensor_and_time_counts() -> None:
    first, last = sequence(data=[1.0]).sequences[0], sequence(data=[2.0]).sequences[0]
    parsed = Parsed(sequences=[first, last])
    result = judge(parsed, rules(), gateway_id=GatewayId("gw-7"), accepted_at=NOW)
    assert [one.data for one in result.sequences] == [(2.0,)]
    assert (result.superseded, result.accepted) == (1, 2)


def test_a_sequence_keeps_its_numbers_and_time() -> None:
    (kept,) = judge(sequence(), rules(), gateway_id=GW, accepted_at=NOW).sequences
    assert (kept.sensor, kept.model, kept.data, kept.at) == ("pump-3", "m-1", (1.0, 2.5), MS * 1000)
    assert kept.flags is ReadingFlag.NONE


def test_a_sequence_without_time_has_that_of_its_arrival() -> None:
    parsed = sequence(time=Mark.MISSING)
    (kept,) = judge(parsed, rules(), gateway_id=GW, accepted_at=NOW).sequences
    assert (kept.at, kept.flags) == (NOW, ReadingFlag.ASSUMED_TIME)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sensor": ""}, Reason.SENSOR_MALFORMED),
        ({"sensor": None}, Reason.SENSOR_MALFORMED),
        ({"sensor": "/SITE02/P"}, Reason.PATH_NOT_ALLOWED),
        ({"model": "a b"}, Reason.MODEL_MALFORMED),
        ({"model": None}, Reason.MODEL_MALFORMED),
        ({"model": "other"}, Reason.MODEL_NOT_ALLOWED),
        ({"data": []}, Reason.SEQUENCE_LENGTH),
        ({"data": [1] * 10_001}, Reason.SEQUENCE_LENGTH),
        ({"data": [1, Mark.NAN]}, Reason.NOT_FINITE),
        ({"data": [1, None]}, Reason.VALUE_TYPE),
        ({"data": [True]}, Reason.VALUE_TYPE),
        ({"data": [2**64]}, Reason.NUMBER_OUT_OF_RANGE),
        ({"time": 0}, Reason.TIME_TOO_OLD),
    ],
)
def test_a_sequence_that_cannot_be_asked_about_is_refused(
    change: dict[str, object], reason: Reason
) -> None:
    limited = rules(models=["m-1"], paths=["pump-3", "/SITE01"])
    result = judge(sequence(**change), limited, gateway_id=GW, accepted_at=NOW)
    assert (reasons(result), result.sequences) == ([reason], [])


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(Mark)
    | st.lists(st.none(), max_size=1)
)
READINGS = st.fixed_dictionaries(
    {},
    optional={
        "tag": st.sampled_from(["/A", "/B", "/SITE02/C", "", 7, None]) | VALUES,
        "value": st.sampled_from([1, 2.5, True, None]) | VALUES,
        "quality": st.sampled_from([192, 192.0, 0, 130, "good", True, None, 1]) | VALUES,
        "ts": st.sampled_from([MS, MS + 1, "2026-11-20T10:00:00Z", 0, None]) | VALUES,
    },
)
USUAL = st.fixed_dictionaries(
    {
        "tag": st.sampled_from(["/A", "/B"]),
        "value": st.sampled_from([1, 2.5, True, None, 2**60]),
        "quality": st.sampled_from([192, 192.0, 0, 130, 1, True]),
        "ts": st.sampled_from([MS, MS + 1]),
    }
)


@examples(200)
@given(
    items=st.lists(READINGS | st.none(), max_size=4) | st.lists(USUAL, max_size=4),
    batch_time=st.sampled_from([Mark.MISSING, None, MS, 0, "x"]),
    gateway=st.sampled_from(
        [rules(), rules(paths=["/A"]), rules(quality_scheme="sparkplug", default_quality="bad")]
    ),
)
def test_columns_and_rows_are_judged_alike(
    items: list[Any], batch_time: object, gateway: Rules
) -> None:
    parsed = columns_of(items)
    parsed.batch_time = batch_time
    by_row = judge_rows(parsed, gateway, gateway_id=GW, accepted_at=NOW)
    by_column = judge_columns(parsed, gateway, gateway_id=GW, accepted_at=NOW)
    if by_column is not None:
        assert by_row == by_column
        assert list(map(type, by_row.block.value)) == list(map(type, by_column.block.value))
    # Whatever was accepted can travel.
    msgspec.json.encode(columns_of_blocks([by_row.block]))
