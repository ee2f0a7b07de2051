import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from penstock_client.smoke.plan import (
    Asked,
    Names,
    asked_of,
    leftovers,
    loose_body,
    new_names,
    scan_body,
)

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
NAMES = Names("smoke-20261128t120000z-0a1b2c")
GATEWAY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def test_a_name_tells_when_and_is_one_that_gateways_may_have() -> None:
    first, second = new_names(NOON), new_names(NOON)
    assert first.name.startswith("smoke-20261128t120000z-")
    assert first.name != second.name
    assert GATEWAY_NAME.fullmatch(first.name)
    in_rome = NOON.astimezone(timezone(timedelta(hours=1)))
    assert new_names(in_rome).name.startswith("smoke-20261128t120000z-")


def test_only_old_names_of_smoke_tests_are_left_over() -> None:
    names = [
        "smoke-20261128t114400z-0a1b2c",
        "smoke-20261128t114600z-0a1b2c",
        "smoke-20269928t114400z-0a1b2c",
        "smoke-20261128t114400z-0a1b2c-mine",
        "gw-7",
    ]
    found = leftovers(names, now=NOON, older_than=timedelta(minutes=15))
    assert found == ["smoke-20261128t114400z-0a1b2c"]


def test_loose_readings_lie_below_no_asset() -> None:
    tags = [reading["tag"] for reading in loose_body(NAMES, NOON)["readings"]]
    assert len(tags) == 3
    assert all(tag.startswith(f"{NAMES.prefix}/") for tag in tags)
    assert not any(tag.startswith(NAMES.asset_prefix) for tag in tags)


def test_a_window_is_filled_second_by_second_up_to_now() -> None:
    frame = {"mode": "window", "samples": 3, "features": [{"name": "v", "tag": "VIB"}]}
    asked = asked_of({"model": "shake", "frame": frame})
    readings = scan_body(NAMES, asked, NOON)["readings"]
    assert [reading["at"][17:19] for reading in readings] == ["58", "59", "00"]
    assert {reading["tag"] for reading in readings} == {f"{NAMES.asset_prefix}/VIB"}


def test_features_of_one_tag_are_sent_once() -> None:
    features = [{"name": "t", "tag": "TEMP"}, {"name": "slope", "tag": "TEMP", "agg": "delta"}]
    asked = asked_of({"model": "m", "frame": {"mode": "row", "features": features}})
    assert asked == Asked("m", {"TEMP": 1.0})


@pytest.mark.parametrize(
    "frame",
    [
        {"mode": "sequence", "samples": 48},
        {"mode": "window", "context": 168, "features": []},
        {"mode": "window", "samples": 5_000, "features": []},
    ],
)
def test_frames_that_cannot_be_filled_are_told(frame: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="cannot fill"):
        asked_of({"model": "m", "frame": frame})
