"""An alarm as plain data. It names its problem; `penstock.problems` tells what that means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from penstock.channel import Queue
from penstock.problems import RUNBOOK, Problem, ProblemId
from penstock.resources import QUEUES

from penstock_infra.config import Deployment
from penstock_infra.measures import MINUTE, Formula, Measure, of_queue

FIVE_MINUTES = 5 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Rings when `watches` is beyond `limit` for `times` periods in a row."""

    problem: ProblemId
    what: str
    """Of which queue, command, sink or endpoint; part of the alarm's name."""
    watches: Measure | Formula
    rings: Literal["above", "at or above", "below"] = "above"
    limit: float
    times: int = 1
    rings_unmeasured: bool = False
    """Whether no data is as bad as the worst."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the stacks know of themselves: names that AWS gives, and how many tasks there are."""

    balancer: str
    targets: Mapping[str, str]
    """Target group by command."""
    machine_arn: str
    least_tasks: Mapping[str, int]
    """By command."""


def any_visible(problem: ProblemId, prefix: str, queue: str) -> Rule:
    """Ring for the first message of a queue that should have none."""
    return Rule(
        problem=problem,
        what=queue,
        watches=of_queue(prefix, queue, "ApproximateNumberOfMessagesVisible"),
        limit=0,
    )


def too_old(prefix: str, queue: str, seconds: int) -> Rule:
    """Ring for a message that waits for too long."""
    return Rule(
        problem="PS-QUEUE-OLD",
        what=queue,
        watches=of_queue(prefix, queue, "ApproximateAgeOfOldestMessage", seconds=FIVE_MINUTES),
        rings="at or above",
        limit=seconds,
    )


def read_queues(deployment: Deployment) -> list[Queue]:
    """Queues that somebody reads: without a Snowflake its queue only forgets, after 14 days."""
    return [
        queue for queue in QUEUES if queue.name != "snowflake" or deployment.snowflake is not None
    ]


def told(problem: Problem, runbook_url: str | None) -> str:
    """Write what an alarm says: id, how bad, what it means, where to read on."""
    return (
        f"{problem.id} ({problem.severity}): {problem.meaning} {problem.first_look}"
        f" Runbook: {runbook_url or RUNBOOK}{problem.anchor}"
    )
