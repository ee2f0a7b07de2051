from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.domain.errors import MalformedPayload
from penstock.domain.qualities import QualityScheme, normalise_quality
from penstock.domain.readings import Quality, as_number
from penstock.domain.source_times import TimeUnit, read_time
from penstock.domain.time import from_micros
from penstock.source_values import parse_json, plain_value

G, U, B = Quality.GOOD, Quality.UNCERTAIN, Quality.BAD


@pytest.mark.parametrize(
    ("raw", "n3uron", "opc_ua", "ignition", "sparkplug"),
    [
        (0, B, G, G, B),
        (192, G, G, G, G),
        (216, G, G, G, U),
        (64, U, G, G, U),
        (500, G, G, U, B),
        (512, B, G, B, U),
        (1073742080, U, U, U, U),
        (-2147483136, B, B, B, B),
        (-1073741056, B, B, B, B),
        (True, G, G, G, G),
        (False, B, B, B, B),
        ("Good", G, G, G, G),
        ("UNCERTAIN", U, U, U, U),
        ("error", B, B, B, B),
        ("192", G, G, G, G),
        ("whatever", U, U, U, U),
        (None, G, G, G, G),
    ],
)  # fmt: skip
def test_a_code_means_what_its_scheme_says(
    raw: bool | int | str | None,
    n3uron: Quality,
    opc_ua: Quality,
    ignition: Quality,
    sparkplug: Quality,
) -> None:
    expected = {
        QualityScheme.N3URON: n3uron,
        QualityScheme.OPC_UA: opc_ua,
        QualityScheme.IGNITION: ignition,
        QualityScheme.SPARKPLUG: sparkplug,
    }
    for scheme, quality in expected.items():
        assert normalise_quality(raw, scheme, absent=G) is quality, scheme


@given(st.none() | st.booleans() | st.integers() | st.text(), st.sampled_from(QualityScheme))
def test_any_raw_quality_has_a_class(raw: bool | int | str | None, scheme: QualityScheme) -> None:
    assert normalise_quality(raw, scheme, absent=U) in Quality


@pytest.mark.parametrize(
    "raw",
    [
        1_700_000_000, 1_700_000_000.0, 1_700_000_000_000, 1_700_000_000_000_000,
        1_700_000_000_000_000_000, "1700000000", "1700000000.0", "2023-11-14T22:13:20Z",
        "2023-11-14T23:13:20+01:00",
    ],
)  # fmt: skip
def test_the_same_time_is_read_from_every_spelling(raw: object) -> None:
    assert read_time(raw) == 1_700_000_000_000_000


def test_a_told_unit_wins_over_magnitude() -> None:
    assert read_time(5, TimeUnit.MILLIS) == 5_000
    assert read_time(5_999, TimeUnit.NANOS) == 5
    assert read_time(0.25, TimeUnit.SECONDS) == 250_000


def test_a_zone_is_for_times_that_name_none() -> None:
    zone = ZoneInfo("Europe/Vienna")
    assert read_time("2026-07-01T12:00:00", zone=zone) == read_time("2026-07-01T10:00:00Z")
    assert read_time("2026-07-01T12:00:00Z", zone=zone) == read_time("2026-07-01T12:00:00Z")


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none())
def test_what_is_no_time_is_a_value_error(raw: object) -> None:
    try:
        at = read_time(raw)
    except ValueError:
        return
    assert isinstance(at, int)
    if at > -62_135_596_800_000_000:
        from_micros(at)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_every_value_is_plain_and_has_a_number_or_none(value: object) -> None:
    plain, quality = plain_value(value, None)
    as_number(plain)
    assert plain is not None or value is None or quality == "bad"


def test_json_of_the_outside_world_is_read() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    with pytest.raises(MalformedPayload, match="not whole JSON"):
        parse_json(b'{"a": [1, 2')
