from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_api.event_time import event_time, event_times
from ingest_api.reasons import Reason
from penstock.domain.time import Micros, each_to_micros, parse_iso, to_micros

NOW = parse_iso("2026-11-20T12:00:00Z")
AT = parse_iso("2026-11-20T10:00:00.250Z")


@pytest.mark.parametrize(
    "raw",
    [
        AT // 1_000, AT, AT * 1_000, AT / 1e6, AT / 1_000, str(AT // 1_000), f"{AT / 1e6:.3f}",
        "2026-11-20T10:00:00.250Z", "2026-11-20T10:00:00.25+00:00", "2026-11-20 11:00:00.250+01:00",
        " 2026-11-20t10:00:00.250z ", "20261120T100000.250Z",
    ],
)  # fmt: skip
def test_one_moment_in_many_spellings(raw: object) -> None:
    assert event_time(raw, None, NOW) == AT


def test_seconds_are_told_by_their_magnitude() -> None:
    assert event_time(AT // 1_000_000, None, NOW) == AT - 250_000


def test_a_time_without_zone_needs_the_gateways_zone() -> None:
    text = "2026-11-20T11:00:00.250"
    assert event_time(text, None, NOW) is Reason.TIME_WITHOUT_ZONE
    assert event_time(text, ZoneInfo("Europe/Rome"), NOW) == AT


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (0, Reason.TIME_TOO_OLD),
        (1, Reason.TIME_TOO_OLD),
        (-1e300, Reason.TIME_TOO_OLD),
        ("1970-01-01T00:00:00Z", Reason.TIME_TOO_OLD),
        ("0001-01-01T00:00:00+14:00", Reason.TIME_TOO_OLD),
        ("1999-12-31T23:59:59.999999Z", Reason.TIME_TOO_OLD),
        ("2026-11-20T12:10:00.000001Z", Reason.TIME_IN_FUTURE),
        ("2027-11-20T12:00:00Z", Reason.TIME_IN_FUTURE),
        ("9999-12-31T23:59:59-14:00", Reason.TIME_IN_FUTURE),
        (10**40, Reason.TIME_IN_FUTURE),
        (1e300, Reason.TIME_IN_FUTURE),
        ("now", Reason.TIME_MALFORMED),
        ("", Reason.TIME_MALFORMED),
        ("nan", Reason.TIME_MALFORMED),
        ("1e999", Reason.TIME_MALFORMED),
        ("1_718_000_000", Reason.TIME_MALFORMED),
        ("2026-11-20T25:00:00Z", Reason.TIME_MALFORMED),
        ("2" * 1000, Reason.TIME_MALFORMED),
        (True, Reason.TIME_MALFORMED),
        ({"seconds": 1}, Reason.TIME_MALFORMED),
        (float("nan"), Reason.TIME_MALFORMED),
    ],
)
def test_a_time_that_cannot_be_believed_is_refused(raw: object, reason: Reason) -> None:
    assert event_time(raw, None, NOW) is reason


def test_the_edges_of_what_is_believed() -> None:
    assert event_time("2000-01-01T00:00:00Z", None, NOW) == parse_iso("2000-01-01T00:00:00Z")
    assert event_time("2026-11-20T12:10:00Z", None, NOW) == parse_iso("2026-11-20T12:10:00Z")


TIMES = (
    st.integers(0, 2 * AT * 1000)
    | st.sampled_from([AT, AT // 1000, AT // 10**6, AT * 1000, "2026-11-20T10:00:00Z", "", "1e9"])
    | st.text(max_size=30)
    | st.floats()
    | st.booleans()
    | st.none()
    | st.datetimes().map(str)
    | st.lists(st.none(), max_size=1)
)


@given(st.lists(TIMES, min_size=1, max_size=4))
def test_a_column_is_read_as_its_times_one_by_one(column: list[object]) -> None:
    together = event_times(column, NOW)
    if together is not None:
        assert together == [event_time(raw, None, NOW) for raw in column]


def test_usual_columns_are_read_at_once() -> None:
    assert event_times([AT // 1_000] * 3, NOW) == [AT] * 3
    assert event_times(["2026-11-20T10:00:00.250Z"] * 3, NOW) == [AT] * 3
    assert event_times([AT // 1_000, AT // 1_000_000], NOW) is None


@given(TIMES)
def test_any_time_is_read_or_refused(raw: object) -> None:
    at = event_time(raw, ZoneInfo("Europe/Rome"), Micros(NOW))
    assert isinstance(at, int | Reason)


@given(st.lists(st.datetimes(timezones=st.timezones()), max_size=5))
def test_moments_are_converted_together_as_alone(moments: list[datetime]) -> None:
    assert each_to_micros(moments) == [to_micros(moment) for moment in moments]


def test_a_column_with_a_time_without_zone_needs_a_look() -> None:
    assert event_times(["2026-11-20T10:00:00Z", "2026-11-20T10:00:00"], NOW) is None
