import json
from collections import Counter
from itertools import pairwise

import pytest
from penstock_local.plant.feeds import AirQualityFeed, Feed, Lateness, PlantFeed, SequenceFeed
from penstock_local.plant.layout import Plant
from penstock_local.plant.payloads import Payload, Sent, shape_readings
from penstock_local.plant.recording import record

T0 = 1_767_225_600_000
PLANT = Plant(machines=2)


def plant_feed(plant: Plant = PLANT, **changes: object) -> PlantFeed:
    return PlantFeed(plant, plant.assets(), T0, "gw-7", **changes)  # type: ignore[arg-type]  # as named


def drive(feed: Feed, *times: int) -> list[Payload]:
    return [payload for at in times for payload in feed.due(at)]


def sent(payloads: list[Payload]) -> list[Sent]:
    return [reading for payload in payloads for reading in payload.readings]


def test_compact_payloads_are_events_by_tag() -> None:
    readings = [Sent("/A/TEMP", 71.2, 192, T0), Sent("/A/TEMP", 71.4, 64, T0 + 1)]
    body = json.loads(shape_readings(readings, "compact", "gw-7").body)
    assert body == {
        "/A/TEMP": [{"v": 71.2, "q": 192, "ts": T0}, {"v": 71.4, "q": 64, "ts": T0 + 1}]
    }


def test_verbose_payloads_spell_the_names_out() -> None:
    body = json.loads(shape_readings([Sent("/A/TEMP", 0, 0, T0)], "verbose", "gw-7").body)
    assert body == {"/A/TEMP": [{"value": 0, "quality": 0, "ts": T0}]}


def test_the_script_s_payloads_are_a_list_of_values() -> None:
    body = json.loads(shape_readings([Sent("/A/TEMP", 1, 192, T0)], "script", "gw-7").body)
    values = [{"path": "/A/TEMP", "value": 1, "quality": 192, "ts": T0}]
    assert body == {"gateway": "gw-7", "values": values}


def test_what_is_sent_is_what_the_history_has() -> None:
    pushed = sent(drive(plant_feed(), *range(T0, T0 + 30_001, 700), T0 + 30_000))
    parts = record(PLANT, PLANT.assets(), PLANT.live_tags(), T0, T0 + 30_000)
    history = {(p.tag, at, v) for p in parts for at, v in zip(p.times, p.values, strict=True)}
    assert {(r.tag, r.at_ms, r.value) for r in pushed} == history
    assert len(pushed) == len(history)


def test_payloads_hold_no_more_readings_than_they_may() -> None:
    payloads = drive(plant_feed(readings_per_post=50), T0 + 30_000)
    assert [len(p.readings) for p in payloads[:-1]] == [50] * (len(payloads) - 1)
    times = [reading.at_ms for reading in sent(payloads)]
    assert times == sorted(times)


def test_a_share_of_the_readings_comes_late_and_none_is_lost() -> None:
    late = plant_feed(lateness=Lateness(share=0.3, by_ms=20_000))
    in_time = sent(drive(late, T0 + 30_000))
    afterwards = sent(drive(late, T0 + 50_001))
    everything = sent(drive(plant_feed(), T0 + 50_001))
    assert 0.5 < len(in_time) / len(sent(drive(plant_feed(), T0 + 30_000))) < 0.98
    assert min(r.at_ms for r in afterwards) < max(r.at_ms for r in in_time)
    got = Counter((r.tag, r.at_ms) for r in in_time + afterwards)
    assert max(got.values()) == 1
    assert set(got) <= {(r.tag, r.at_ms) for r in everything}
    rest = sent(drive(late, T0 + 70_002))
    assert {(r.tag, r.at_ms) for r in everything} <= set(got) | {(r.tag, r.at_ms) for r in rest}


def test_a_clock_that_is_ahead_sends_times_of_the_future() -> None:
    plant = next(p for s in range(20) if (p := Plant(seed=s, skew_ms=60_000)).skew_of("SITE01") > 0)
    skew = plant.skew_of("SITE01")
    pushed = sent(drive(plant_feed(plant), T0 + 10_000))
    assert T0 + skew <= min(r.at_ms for r in pushed)
    assert T0 + 10_000 + skew - 1_500 < max(r.at_ms for r in pushed) < T0 + 10_000 + skew


def test_sequences_come_with_gaps_of_up_to_a_second() -> None:
    payloads = drive(SequenceFeed(7, T0, "serverlessendpoint"), T0 + 60_000)
    bodies = [json.loads(p.body) for p in payloads]
    gaps = [b["timestamp"] - a["timestamp"] for a, b in pairwise(bodies)]
    assert min(gaps) > 0
    assert max(gaps) <= 1_000
    assert 80 < len(bodies) < 160
    assert {body["model"] for body in bodies} == {"serverlessendpoint"}
    assert {body["sensor"] for body in bodies} == {f"sensor-{n}" for n in range(1, 5)}
    assert all(3 <= len(body["data"]) <= 10 for body in bodies)
    again = drive(SequenceFeed(7, T0, "serverlessendpoint"), T0 + 1, T0 + 20_000, T0 + 60_000)
    assert [p.body for p in again] == [p.body for p in payloads]


def test_sequences_may_have_a_fixed_length() -> None:
    (payload, *_) = drive(SequenceFeed(7, T0, "m", length=48), T0 + 5_000)
    assert len(json.loads(payload.body)["data"]) == 48


@pytest.mark.parametrize(("asked", "gap"), [(10, 250), (1_000, 1_000)])
def test_stations_measure_at_least_250_ms_apart(asked: int, gap: int) -> None:
    payloads = drive(AirQualityFeed(7, T0, sensors=2, gap_ms=asked), T0 + 5_000)
    bodies = [json.loads(p.body) for p in payloads]
    first = [body for body in bodies if body["sensor"] == "air-01"]
    times = [body["timestamp"] for body in first]
    assert {b - a for a, b in pairwise(times)} == {gap}
    assert set(first[0]) == {
        "sensor", "ozone", "particulate_matter", "carbon_monoxide", "sulfure_dioxide",
        "nitrogen_dioxide", "longitude", "latitude", "timestamp",
    }  # fmt: skip
    assert len({(body["longitude"], body["latitude"]) for body in first}) == 1
    assert payloads[0].readings[0].tag == "/air-01/ozone"
