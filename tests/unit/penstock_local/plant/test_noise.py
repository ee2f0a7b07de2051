import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from penstock_local.plant.noise import key_of, normal, smooth, uniform

COUNTERS = np.arange(20_000)


def test_numbers_are_the_same_on_every_machine() -> None:
    assert uniform(key_of("pump", 7), [0, 1]).round(12).tolist() == [0.524424893594, 0.643196556505]


def test_uniform_numbers_fill_their_range() -> None:
    drawn = uniform(key_of("a"), COUNTERS)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert abs(np.histogram(drawn, 10)[0] / len(drawn) - 0.1).max() < 0.01


def test_neighbouring_counters_and_keys_have_nothing_in_common() -> None:
    one, other = uniform(key_of("a"), COUNTERS), uniform(key_of("b"), COUNTERS)
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.03
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03


def test_normal_numbers_have_mean_zero_and_deviation_one() -> None:
    drawn = normal(key_of("a"), COUNTERS)
    assert abs(drawn.mean()) < 0.03
    assert abs(drawn.std() - 1) < 0.03


@given(st.integers(-(2**40), 2**40), st.integers(1, 10**7))
def test_smooth_numbers_do_not_jump(start: int, period: int) -> None:
    values = smooth(key_of("a"), np.arange(start, start + 50), period * 100)
    assert abs(np.diff(values)).max() < 0.2
