from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.domain.scaling import (
    IN_MINUTES,
    OUT_MINUTES,
    Backlog,
    Bounds,
    Minute,
    cloudwatch_expression,
    desired_tasks,
    tracked_value,
)

TARGET = 16
BOUNDS = Bounds(least=2, most=40)


def minutes(
    totals: Sequence[int], *, tasks: int = 2, in_flight: int = 0, is_paused: bool = False
) -> list[Minute]:
    return [
        Minute(
            tasks=tasks,
            backlogs={
                "inference": Backlog(
                    visible=total - in_flight, in_flight=in_flight, is_paused=is_paused
                )
            },
        )
        for total in totals
    ]


def test_a_backlog_of_three_minutes_gets_the_tasks_that_it_needs() -> None:
    seen = minutes([320] * OUT_MINUTES)
    assert desired_tasks(seen, target=TARGET, bounds=BOUNDS) == 20


def test_a_peak_of_two_minutes_changes_nothing() -> None:
    seen = minutes([0, 320, 320])
    assert desired_tasks(seen, target=TARGET, bounds=BOUNDS) == 2


def test_no_more_tasks_than_the_most() -> None:
    seen = minutes([100_000] * OUT_MINUTES)
    assert desired_tasks(seen, target=TARGET, bounds=BOUNDS) == BOUNDS.most


def test_one_queue_is_enough_to_ask_for_more() -> None:
    full, empty = Backlog(visible=64, in_flight=0), Backlog(visible=0, in_flight=0)
    seen = [Minute(tasks=2, backlogs={"lake": empty, "aurora": full})] * OUT_MINUTES
    assert desired_tasks(seen, target=TARGET, bounds=BOUNDS) == 4


def test_tasks_stay_while_one_queue_needs_them() -> None:
    busy, empty = Backlog(visible=15 * 10, in_flight=0), Backlog(visible=0, in_flight=0)
    seen = [Minute(tasks=10, backlogs={"lake": empty, "aurora": busy})] * IN_MINUTES
    assert desired_tasks(seen, target=TARGET, bounds=BOUNDS) == 10


def test_messages_in_the_hands_of_tasks_keep_the_tasks() -> None:
    """An empty queue of which everything is in flight is not an idle one."""
    busy = minutes([150] * IN_MINUTES, tasks=10, in_flight=150)
    idle = minutes([0] * IN_MINUTES, tasks=10)
    assert desired_tasks(busy, target=TARGET, bounds=BOUNDS) == 10
    assert desired_tasks(idle, target=TARGET, bounds=BOUNDS) == BOUNDS.least


def test_in_takes_a_quarter_of_an_hour_of_calm() -> None:
    calm = [200, *[0] * (IN_MINUTES - 1)]
    assert desired_tasks(minutes(calm, tasks=10), target=TARGET, bounds=BOUNDS) == 10
    assert desired_tasks(minutes([*calm, 0], tasks=10), target=TARGET, bounds=BOUNDS) == 2


def test_a_paused_consumer_holds_the_tasks_both_ways() -> None:
    piling_up = minutes([100_000] * IN_MINUTES, tasks=5, is_paused=True)
    drained = minutes([0] * IN_MINUTES, tasks=5, is_paused=True)
    assert desired_tasks(piling_up, target=TARGET, bounds=BOUNDS) == 5
    assert desired_tasks(drained, target=TARGET, bounds=BOUNDS) == 5


def test_a_change_has_time_to_work_before_the_next() -> None:
    idle = minutes([0] * IN_MINUTES, tasks=10)
    assert desired_tasks(idle, target=TARGET, bounds=BOUNDS, minutes_since_change=4) == 10
    assert desired_tasks(idle, target=TARGET, bounds=BOUNDS, minutes_since_change=5) == 2


@given(
    total=st.integers(0, 5_000),
    first=st.integers(BOUNDS.least, BOUNDS.most),
    target=st.integers(1, 500),
)
def test_a_steady_backlog_never_makes_the_tasks_flap(total: int, first: int, target: int) -> None:
    """The tasks settle, having gone one way only."""
    tasks, history, counts, changed_at = first, [], [first], -1_000
    for minute in range(120):
        history.append(Minute(tasks=tasks, backlogs={"q": Backlog(visible=total, in_flight=0)}))
        wanted = desired_tasks(
            history, target=target, bounds=BOUNDS, minutes_since_change=minute - changed_at
        )
        if wanted != tasks:
            tasks, changed_at = wanted, minute
            counts.append(tasks)
    assert counts == sorted(counts) or counts == sorted(counts, reverse=True)
    settled = history[-30:]
    assert {minute.tasks for minute in settled} == {tasks}


@pytest.mark.parametrize("visible", [0, 7, 400])
@pytest.mark.parametrize("in_flight", [0, 33])
@pytest.mark.parametrize("tasks", [0, 1, 4])
@pytest.mark.parametrize("paused", [0, 1])
def test_cloudwatch_computes_what_the_code_does(
    visible: int, in_flight: int, tasks: int, paused: int
) -> None:
    """The expression's few functions mean the same in Python."""
    functions = {
        "IF": lambda condition, yes, no: yes if condition else no,
        "FILL": lambda value, default: default if value is None else value,
    }
    values = {"visible": visible, "in_flight": in_flight, "tasks": tasks, "paused": paused}
    told = eval(cloudwatch_expression(TARGET), {"__builtins__": {}}, {**functions, **values})  # noqa: S307
    backlog = Backlog(visible=visible, in_flight=in_flight, is_paused=bool(paused))
    assert told == tracked_value(backlog, tasks=tasks, target=TARGET)
