"""The scaling over a backlog as it was recorded (scripts/record_backlog.py): a burst, a dependency
that is down while messages keep coming, and a calm end.
"""

import csv
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from penstock.domain.scaling import Backlog, Bounds, Minute, desired_tasks

BOUNDS = Bounds(least=2, most=10)
RECORDED_TASKS = 3
PER_TASK = 8
"""Messages that a recorded task held at once, and worked off in a minute."""
BURST, PAUSE, CALM = range(10, 40), range(70, 95), range(125, 160)


@dataclass(frozen=True, slots=True)
class Row:
    """One recorded minute."""

    sent: int
    backlog: Backlog


def recorded() -> list[Row]:
    with (Path(__file__).parent / "backlog.csv").open() as file:
        return [
            Row(
                int(row["sent"]),
                Backlog(
                    visible=int(row["visible"]),
                    in_flight=int(row["in_flight"]),
                    is_paused=row["paused"] == "1",
                ),
            )
            for row in csv.DictReader(file)
        ]


ROWS = recorded()


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of the same messages where the tasks follow the policy."""

    tasks: list[int]
    waiting: list[int]


@pytest.fixture(scope="module")
def replay() -> Replay:
    """Send what was sent, pause when it was paused, and let each task do what a task did."""
    tasks, waiting, changed_at = BOUNDS.least, 0, -1_000
    history: list[Minute] = []
    seen = Replay([], [])
    for minute, row in enumerate(ROWS):
        is_paused = row.backlog.is_paused
        waiting += row.sent
        in_flight = 0 if is_paused else min(waiting, tasks * PER_TASK)
        backlog = Backlog(visible=waiting - in_flight, in_flight=in_flight, is_paused=is_paused)
        waiting -= in_flight
        history.append(Minute(tasks=tasks, backlogs={"inference": backlog}))
        seen.tasks.append(tasks)
        seen.waiting.append(waiting)
        wanted = desired_tasks(
            history, target=PER_TASK, bounds=BOUNDS, minutes_since_change=minute - changed_at
        )
        if wanted != tasks:
            tasks, changed_at = wanted, minute
    return seen


def test_the_record_is_one_of_a_saturated_consumer() -> None:
    """Else the replay would tell nothing: the burst outran three tasks, the pause stopped them."""
    assert max(ROWS[minute].backlog.visible for minute in BURST) > 150
    assert max(row.backlog.in_flight for row in ROWS) == RECORDED_TASKS * PER_TASK
    assert all(ROWS[minute].backlog.is_paused for minute in PAUSE)


def test_a_burst_gets_more_tasks_within_minutes_and_waits_less_than_it_did(replay: Replay) -> None:
    assert replay.tasks[BURST.start + 5] > RECORDED_TASKS
    recorded_worst = max(ROWS[minute].backlog.visible for minute in BURST)
    assert max(replay.waiting[minute] for minute in BURST) < recorded_worst / 2


def test_nothing_changes_while_the_dependency_is_down(replay: Replay) -> None:
    assert len({replay.tasks[minute] for minute in PAUSE[1:]}) == 1


def test_what_piled_up_is_worked_off_sooner_than_it_was(replay: Replay) -> None:
    def minutes_until_empty(waiting: list[int]) -> int:
        return next(n for n, count in enumerate(waiting[PAUSE.stop :]) if count == 0)

    assert minutes_until_empty(replay.waiting) < minutes_until_empty(
        [row.backlog.visible for row in ROWS]
    )


def test_calm_brings_back_the_least(replay: Replay) -> None:
    assert replay.tasks[-1] == BOUNDS.least


def test_tasks_go_up_and_down_with_the_waves_and_do_not_flap(replay: Replay) -> None:
    """Two waves: at most two ways up and two ways down."""
    steps = [b - a for a, b in pairwise(replay.tasks) if a != b]
    turns = sum((a > 0) != (b > 0) for a, b in pairwise(steps))
    assert turns <= 3, replay.tasks
