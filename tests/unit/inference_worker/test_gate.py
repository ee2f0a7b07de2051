"""How an endpoint's answers change what it is asked."""

import random

import pytest
from inference_worker.gate import Gate, GateLimits


class Watch:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


def gate(watch: Watch, **limits: int) -> Gate:
    return Gate(GateLimits(**limits), now=watch, jitter=random.Random(1))


def open_gate(watch: Watch) -> Gate:
    made = gate(watch, failures_in_a_row=3)
    for _ in range(3):
        made.failed()
    assert made.is_open
    return made


def test_concurrency_rises_with_successes_and_halves_with_a_failure(watch: Watch) -> None:
    made = gate(watch, calls=16)
    assert made.most_calls == 4
    for _ in range(200):
        made.succeeded()
    assert made.most_calls == 16
    made.failed()
    assert made.most_calls == 8


def test_some_failures_in_a_row_open_it(watch: Watch) -> None:
    made = gate(watch, failures_in_a_row=3)
    made.failed()
    made.failed()
    made.succeeded()
    made.failed()
    made.failed()
    assert made.is_closed
    made.failed()
    assert made.is_open
    assert not made.admits(0)


def test_after_its_pause_it_admits_one_probe_at_a_time(watch: Watch) -> None:
    made = open_gate(watch)
    watch.seconds += 2
    assert not made.is_open
    assert made.admits(0)
    made.started()
    assert not made.admits(0)
    made.ended()
    assert made.admits(0)


def test_a_probe_that_succeeds_closes_it(watch: Watch) -> None:
    made = open_gate(watch)
    watch.seconds += 2
    made.started()
    made.succeeded()
    made.ended()
    assert made.is_closed


def test_each_probe_that_fails_makes_the_next_pause_longer_within_bounds(watch: Watch) -> None:
    made = open_gate(watch)
    pauses = []
    for _ in range(10):
        watch.seconds += made.seconds_to_probe
        made.started()
        made.failed()
        made.ended()
        pauses.append(made.seconds_to_probe)
    assert pauses[0] < pauses[2] < pauses[4]
    assert 11 <= pauses[-1] <= 19


def test_throttling_lowers_the_concurrency_and_opens_nothing(watch: Watch) -> None:
    made = gate(watch, calls=16)
    for _ in range(50):
        made.throttled()
    assert made.is_closed
    assert made.most_calls == 1


def test_many_who_find_it_broken_at_once_count_once(watch: Watch) -> None:
    made = gate(watch)
    for _ in range(50):
        made.broke()
    assert made.seconds_to_probe < 2


def test_single_refusals_are_believed_until_everything_is_refused(watch: Watch) -> None:
    made = gate(watch, refusals_in_a_row=10)
    assert not made.refused(10)
    made.succeeded()
    assert not made.refused(10)
    assert made.refused(1)
    assert made.is_open


def test_a_call_that_had_too_many_bad_rows_makes_the_next_ones_smaller(watch: Watch) -> None:
    made = gate(watch, rows=512)
    made.broke(fewer_rows=True)
    assert made.most_rows == 128
    for _ in range(10):
        made.succeeded()
    assert made.most_rows == 138
