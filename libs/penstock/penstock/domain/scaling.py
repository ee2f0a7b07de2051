"""How many tasks a backlog asks for: what CDK writes into AWS, and what AWS then decides.

AWS's target tracking looks at one queue per policy, scales out as soon as one of them asks for it,
and in only when all of them agree. Messages in flight count: a task that is ended gives its work
back, and a queue that looks empty may be all in the hands of tasks.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OUT_MINUTES = 3
"""AWS scales out when the value was above the target in each of so many minutes."""
IN_MINUTES = 15
"""AWS scales in when it was clearly below in each of so many."""
IN_SHARE = 0.9
"""Share of the target that counts as clearly below."""
OUT_COOLDOWN_MINUTES = 1
IN_COOLDOWN_MINUTES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """One queue in one minute; paused while its consumers wait for what they depend on."""

    visible: int
    in_flight: int
    is_paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """All queues of a command in one minute, and the tasks that ran then."""

    tasks: int
    backlogs: Mapping[str, Backlog]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Tasks that there are at least and at most."""

    least: int
    most: int

    def within(self, tasks: int) -> int:
        """Bring a wish into the bounds."""
        return max(self.least, min(self.most, tasks))


def tracked_value(backlog: Backlog, *, tasks: int, target: int) -> float:
    """What is compared with the target: messages per task.

    While consumers are paused it is the target itself, which asks for nothing: more tasks would
    only press on what is down, fewer would be missing when it is back.
    """
    if backlog.is_paused:
        return float(target)
    return (backlog.visible + backlog.in_flight) / max(1, tasks)


def cloudwatch_expression(target: int) -> str:
    """Write `tracked_value` as CloudWatch's metric math over visible, in_flight, tasks, paused.

    A queue without traffic for hours has no metrics at all; that is a backlog of nothing.
    """
    return (
        f"IF(FILL(paused, 0) > 0, {target}, "
        "(FILL(visible, 0) + FILL(in_flight, 0)) / IF(tasks < 1, 1, tasks))"
    )


def desired_tasks(
    minutes: Sequence[Minute],
    *,
    target: int,
    bounds: Bounds,
    minutes_since_change: int | None = None,
) -> int:
    """Tell how many tasks there shall be after the last of `minutes`, the oldest first.

    `minutes_since_change` counts from the last change of their number; None: there was none.
    """
    tasks = minutes[-1].tasks
    queues = tuple(minutes[-1].backlogs)
    values = {
        queue: [
            tracked_value(minute.backlogs[queue], tasks=minute.tasks, target=target)
            for minute in minutes[-IN_MINUTES:]
        ]
        for queue in queues
    }
    since = math.inf if minutes_since_change is None else minutes_since_change
    out = [_out(tasks, values[queue], target) for queue in queues]
    if max(out) > tasks:
        return bounds.within(max(out) if since >= OUT_COOLDOWN_MINUTES else tasks)
    if since < IN_COOLDOWN_MINUTES:
        return bounds.within(tasks)
    return bounds.within(max(_in(tasks, values[queue], target) for queue in queues))


def _out(tasks: int, values: Sequence[float], target: int) -> int:
    last = values[-OUT_MINUTES:]
    if len(last) < OUT_MINUTES or min(last) <= target:
        return tasks
    return math.ceil(tasks * last[-1] / target)


def _in(tasks: int, values: Sequence[float], target: int) -> int:
    if len(values) < IN_MINUTES or max(values) >= IN_SHARE * target:
        return tasks
    # By the worst of the minutes, so that what was needed lately is still there.
    return math.ceil(tasks * max(values) / target)
