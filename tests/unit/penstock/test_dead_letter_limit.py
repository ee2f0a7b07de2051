import pytest
from penstock.domain.errors import Unavailable
from penstock.runtime.dead_letter_limit import DeadLetterLimit


def make_limit() -> DeadLetterLimit:
    return DeadLetterLimit(share=0.2, least=100)


def test_a_few_dead_among_few_are_let_go() -> None:
    limit = make_limit()
    for _ in range(33):
        limit.admit(3, dead=3)
    assert not limit.is_tripped


def test_more_than_a_fifth_of_a_hundred_stops() -> None:
    limit = make_limit()
    limit.admit(100, dead=20)
    limit.check()
    with pytest.raises(Unavailable, match="20%"):
        limit.admit(100, dead=21)
    assert limit.is_tripped


def test_once_stopped_it_stays_stopped_until_somebody_has_looked() -> None:
    limit = make_limit()
    with pytest.raises(Unavailable):
        limit.admit(100, dead=100)
    with pytest.raises(Unavailable):
        limit.admit(10_000, dead=0)
    limit.reset()
    limit.admit(10, dead=1)


def test_old_successes_do_not_hide_a_queue_that_dies_now() -> None:
    limit = make_limit()
    for _ in range(10_000):
        limit.admit(100, dead=0)

    def all_die() -> None:
        for _ in range(300):
            limit.admit(1, dead=1)

    with pytest.raises(Unavailable):
        all_die()


def test_a_batch_larger_than_the_window_is_judged_by_itself() -> None:
    limit = make_limit()
    limit.admit(1_000_000, dead=100_000)
    with pytest.raises(Unavailable):
        limit.admit(1_000_000, dead=900_000)
