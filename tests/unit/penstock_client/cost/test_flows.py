import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock_client.cost.flows import (
    Packs,
    empty_receives_per_second,
    grouped_per_second,
    objects_per_second,
    prediction_packs,
    reading_packs,
    receives_per_second,
)

from tests.unit.penstock_client.cost.deployments import deployment

RATES = st.floats(min_value=0.001, max_value=1e5)


def test_the_first_arrival_of_each_group_waits_for_company() -> None:
    # Ten a second: 100 ms until one comes, then 150 ms of waiting: four groups a second.
    assert grouped_per_second(10, 0.15) == pytest.approx(4.0)
    assert grouped_per_second(0, 0.15) == 0.0


def test_packs_follow_the_linger_while_they_are_small() -> None:
    # Ten bodies a second and a linger of 100 ms: five packs, each 450 B and 200 readings of 14 B.
    packs = reading_packs(deployment())
    assert packs.per_second == pytest.approx(5.0)
    assert packs.size == pytest.approx(450 + 200 * 14)


def test_packs_follow_the_bytes_once_they_are_full() -> None:
    # A million readings a second are 14 MB, in packs of 61,440 B.
    packs = reading_packs(deployment(readings_per_second=1e6))
    groups = 1 / (1 / 10_000 + 0.1)
    assert packs.per_second == pytest.approx((groups * 450 + 14e6) / 61_440)
    assert packs.size == pytest.approx(61_440)


def test_each_pack_of_readings_makes_one_pack_of_predictions() -> None:
    # 50 predictions a second in five packs: 450 B and ten times (65 + 20 × 4) B.
    packs = prediction_packs(deployment())
    assert packs.per_second == pytest.approx(5.0)
    assert packs.size == pytest.approx(450 + 10 * 145)


def test_without_a_model_nothing_is_predicted() -> None:
    assert prediction_packs(deployment(models=0)) == Packs(0.0, 0.0)


def test_a_sink_writes_by_age_or_by_size_whichever_is_sooner() -> None:
    slow, fast = Packs(0.1, 100.0), Packs(1_000.0, 8e6)
    # One pack each 10 s and an age of 10 s: one object each 20 s.
    assert objects_per_second(slow, tasks=1, age_seconds=10) == pytest.approx(0.05)
    assert objects_per_second(fast, tasks=1, age_seconds=10, most_bytes=4e6) == pytest.approx(2.0)


def test_a_receive_is_billed_per_call_and_per_begun_64_kib() -> None:
    # One message each second and 20 ms of a round trip: nearly one call per message.
    assert receives_per_second(Packs(1.0, 1_000.0), pollers=1) == pytest.approx(1 / 1.02)
    # A call holds ten messages at most.
    assert receives_per_second(Packs(10_000.0, 1e6), pollers=1) == pytest.approx(1_000.0)
    # Full packs: ten in one call are ten units.
    assert receives_per_second(Packs(1_000.0, 65_536_000.0), pollers=1) == pytest.approx(1_000.0)


def test_a_poll_of_an_idle_queue_ends_with_nothing_after_its_wait() -> None:
    assert empty_receives_per_second(0.0, pollers=3, wait_seconds=10) == pytest.approx(0.3)
    # One message each 10 s on average: a share of 1/e of the polls finds none.
    expected = 0.1 * math.exp(-1) / (1 - math.exp(-1))
    assert empty_receives_per_second(0.1, pollers=1, wait_seconds=10) == pytest.approx(expected)
    assert empty_receives_per_second(1_000.0, pollers=1, wait_seconds=10) == 0.0


@given(rate=RATES, more=RATES)
def test_more_readings_never_make_fewer_packs(rate: float, more: float) -> None:
    fewer = reading_packs(deployment(readings_per_second=rate)).per_second
    assert reading_packs(deployment(readings_per_second=rate + more)).per_second >= fewer * 0.999999


@given(rate=RATES)
def test_a_pack_never_outgrows_one_billed_unit(rate: float) -> None:
    for packs in (
        reading_packs(deployment(readings_per_second=rate, linger_seconds=2.0)),
        prediction_packs(deployment(readings_per_second=rate, linger_seconds=2.0)),
    ):
        assert packs.size <= 60 * 1024 * 1.000001
