import random

import pytest
from penstock.domain.errors import (
    Conflict,
    IllegalTransition,
    InvalidInput,
    NotFound,
    StoreUnavailable,
    Throttled,
    UnknownEndpoint,
)
from penstock.runtime.retrying import Ack, DeadLetter, Retry, plan_retry


@pytest.mark.parametrize("error", [Conflict("done"), IllegalTransition("done")])
def test_what_is_already_decided_is_acked(error: Exception) -> None:
    assert plan_retry(error, 1, jitter=random.Random(1)) == Ack()


@pytest.mark.parametrize("error", [InvalidInput("no tag"), NotFound("x"), UnknownEndpoint("x")])
def test_what_can_never_succeed_is_dead_lettered_with_its_reason(error: Exception) -> None:
    action = plan_retry(error, 1, jitter=random.Random(1))
    assert action == DeadLetter(f"{type(error).__name__}: {error}")


@pytest.mark.parametrize(
    ("receive_count", "shortest", "longest"),
    [(1, 0.5, 1.0), (2, 1.0, 2.0), (5, 8.0, 16.0), (9, 128.0, 256.0), (40, 150.0, 300.0)],
)
def test_delays_double_up_to_five_minutes(
    receive_count: int, shortest: float, longest: float
) -> None:
    for seed in range(20):
        action = plan_retry(StoreUnavailable("down"), receive_count, jitter=random.Random(seed))
        assert isinstance(action, Retry)
        assert shortest <= action.delay_seconds <= longest
        assert not action.is_bug


def test_a_dependency_that_says_when_is_believed() -> None:
    action = plan_retry(Throttled("slow down", retry_after_seconds=7), 3, jitter=random.Random(1))
    assert action == Retry(7, is_bug=False)


def test_anything_else_is_a_bug_and_comes_again() -> None:
    action = plan_retry(KeyError("x"), 1, jitter=random.Random(1))
    assert isinstance(action, Retry)
    assert action.is_bug
