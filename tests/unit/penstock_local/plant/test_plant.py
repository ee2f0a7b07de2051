import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from penstock_local.plant.failures import HOUR_MS, LABEL_WITHIN_MS, STRETCH_MS
from penstock_local.plant.history import PlantHistory, TooMuchError
from penstock_local.plant.layout import LABEL, Plant
from penstock_local.plant.recording import BLOCK_MS, record
from penstock_local.plant.samples import BAD, GOOD, UNCERTAIN, Samples
from penstock_local.plant.signals import Machines
from sklearn.metrics import roc_auc_score

from tests.properties import examples

T0 = 1_767_225_600_000
PLANT = Plant(machines=2)


def recorded(plant: Plant, start_ms: int, end_ms: int) -> list[Samples]:
    return list(record(plant, plant.assets(), plant.recorded_tags(), start_ms, end_ms))


def events(parts: list[Samples]) -> list[tuple[str, int, float, int]]:
    return sorted(
        (part.tag, at, value, quality)
        for part in parts
        for at, value, quality in zip(
            part.times.tolist(), part.values.tolist(), part.quality.tolist(), strict=True
        )
    )


def test_machines_have_paths_and_names_of_their_own() -> None:
    plant = Plant(sites=2, lines=2, machines=3)
    assets = plant.assets()
    assert assets[0].prefix == "/SITE01/LINE01/P-101"
    assert len({asset.name for asset in assets}) == len(assets) == 12
    assert plant.find("/SITE02/LINE01/P-301/TEMP") == (assets[6], "TEMP")
    assert plant.find("/SITE02/LINE01/P-301/COLOUR") is None
    assert plant.find("/SITE09/LINE01/P-301/TEMP") is None


def test_gateways_do_not_send_the_label() -> None:
    assert LABEL not in PLANT.live_tags()
    assert LABEL in PLANT.recorded_tags()


@examples(25)
@given(st.integers(0, 10**8), st.integers(1, 90_000), st.integers(1, 90_000))
def test_any_stretch_is_the_sum_of_its_parts(start: int, first: int, second: int) -> None:
    plant = Plant(machines=2, skew_ms=5_000, bad_share=0.1, uncertain_share=0.1)
    start += T0
    middle, end = start + first, start + first + second
    whole = events(recorded(plant, start, end))
    assert whole == sorted(
        events(recorded(plant, start, middle)) + events(recorded(plant, middle, end))
    )
    assert all(start <= at < end for _, at, _, _ in whole)


def test_equal_plants_record_the_same_and_others_do_not() -> None:
    first = events(recorded(PLANT, T0, T0 + 60_000))
    assert first == events(recorded(Plant(machines=2), T0, T0 + 60_000))
    assert first != events(recorded(Plant(machines=2, seed=8), T0, T0 + 60_000))


def test_a_value_that_stays_within_its_deadband_is_recorded_at_the_heartbeat_only() -> None:
    (label,) = record(PLANT, PLANT.assets()[:1], [LABEL], T0, T0 + 600_000)
    assert len(label) == 10
    assert set(np.diff(label.times)) == {60_000}


def test_values_that_move_are_recorded_but_not_at_every_scan() -> None:
    (temperature,) = record(PLANT, PLANT.assets()[:1], ["TEMP"], T0, T0 + 600_000)
    assert 100 < len(temperature) < 550


def test_the_tags_of_a_machine_share_their_scans_and_machines_have_their_own() -> None:
    parts = recorded(PLANT, T0, T0 + 60_000)
    phases = {part.tag.split("/")[3]: set[int]() for part in parts}
    for part in parts:
        phases[part.tag.split("/")[3]] |= set((part.times % 1000).tolist())
    assert [len(phase) for phase in phases.values()] == [1, 1]
    assert phases["P-101"] != phases["P-102"]


def test_quality_is_sometimes_doubtful_and_a_bad_value_stands_still() -> None:
    plant = Plant(machines=1, bad_share=0.1, uncertain_share=0.1)
    (speed,) = record(plant, plant.assets(), ["SPEED"], T0, T0 + 20 * HOUR_MS)
    shares = {q: (speed.quality == q).mean() for q in (GOOD, UNCERTAIN, BAD)}
    assert all(share > 0 for share in shares.values())
    bad = speed.times[speed.quality == BAD] // BLOCK_MS
    for block in set(bad.tolist()):
        inside = (speed.times // BLOCK_MS == block) & (speed.quality == BAD)
        assert len(set(speed.values[inside].tolist())) == 1


def test_a_site_s_clock_may_be_off_by_the_same_amount_always() -> None:
    exact, skewed = Plant(machines=1), Plant(machines=1, skew_ms=30_000)
    skew = skewed.skew_of("SITE01")
    assert 0 < abs(skew) <= 30_000
    moved = [(tag, at + skew, v, q) for tag, at, v, q in events(recorded(exact, T0, T0 + 60_000))]
    assert moved == events(recorded(skewed, T0 + skew, T0 + 60_000 + skew))


def test_the_label_tells_of_a_failure_within_a_day() -> None:
    history = PlantHistory(PLANT, lambda: T0 + 90 * 24 * HOUR_MS)
    failures = history.failures(T0, T0 + 5 * STRETCH_MS)
    assert 4 <= len(failures) <= 10
    name, at = failures[0]
    asset = next(asset for asset in PLANT.assets() if asset.name == name)
    machines = Machines(PLANT, [asset])
    around = np.array([at - LABEL_WITHIN_MS - 1, at - LABEL_WITHIN_MS, at - 1, at, at + 60_000])
    assert machines.values(LABEL, around).tolist() == [[0, 1, 1, 0, 0]]
    assert machines.values("SPEED", around)[0, -1] == 0
    assert machines.values("SPEED", around)[0, 0] > 1000


def test_failures_can_be_learned_from_the_sensors_and_are_not_plain_to_see() -> None:
    plant = Plant(machines=6)
    times = (T0 + np.arange(0, 80 * 24 * HOUR_MS, 1_800_000)).reshape(1, -1)
    machines = Machines(plant, plant.assets())
    table = np.stack([machines.values(tag, times) for tag in plant.live_tags()], axis=-1)
    label = machines.values(LABEL, times)
    cut = times.size * 7 // 10
    parameters = {"objective": "binary:logistic", "max_depth": 4, "eta": 0.1, "nthread": 1}
    train = xgboost.DMatrix(table[:, :cut].reshape(-1, 5), label=label[:, :cut].ravel())
    test = xgboost.DMatrix(table[:, cut + 48 :].reshape(-1, 5))
    scores = xgboost.train(parameters, train, 60).predict(test)
    expected = label[:, cut + 48 :].ravel()
    assert roc_auc_score(expected, scores) > 0.9
    assert ((scores > 0.5) == expected).mean() < 0.995
    for column in range(5):
        alone = table[:, cut + 48 :, column].ravel()
        assert roc_auc_score(expected, alone) < 0.97


def test_history_ends_now() -> None:
    history = PlantHistory(PLANT, lambda: T0)
    (samples,) = history.read(["/SITE01/LINE01/P-101/TEMP"], T0 - 60_000, T0 + 60_000)
    assert len(samples) > 0
    assert samples.times.max() < T0
    latest = history.latest("/SITE01/LINE01/P-101/TEMP")
    assert latest.times.tolist() == samples.times[-1:].tolist()


def test_a_range_that_is_too_long_is_refused() -> None:
    history = PlantHistory(PLANT, lambda: T0)
    with pytest.raises(TooMuchError, match="shorter range"):
        history.read(history.tags(), 0, T0)


@pytest.mark.parametrize("wrong", [{"machines": 0}, {"scan_ms": 0}, {"heartbeat_ms": 10}])
def test_an_impossible_plant_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"plant|heartbeat"):
        Plant(**wrong)
