"""Takes steps in order, times them, and ends with what to do where one fails."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from penstock_client.errors import ApiError, PenstockClientError, Unreachable

T = TypeVar("T")


class NotSeen(PenstockClientError):
    """What was waited for did not come in time."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it does tells what it saw, and `advice` what to look at where it fails."""

    name: str
    act: Callable[[], str]
    advice: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step; `advice` only where it failed."""

    step: str
    seconds: float
    seen: str
    failed: bool = False
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a step may wait, and how often it looks."""

    seconds: float
    every_seconds: float = 1.0
    now: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep

    def until(self, look: Callable[[], T | None], what: str) -> T:
        """Look until there is something; raise NotSeen saying what there was not."""
        deadline = self.now() + self.seconds
        while True:
            found = look()
            if found is not None:
                return found
            if self.now() >= deadline:
                raise NotSeen(f"not within {self.seconds:g} s: {what}")
            self.wait(self.every_seconds)


def take(
    steps: Sequence[Step], last: Step, *, now: Callable[[], float] = time.monotonic
) -> Iterator[Outcome]:
    """Take steps until one fails, then in any case the last one; tell each as it ends."""
    try:
        for step in steps:
            outcome = _taken(step, now)
            yield outcome
            if outcome.failed:
                break
    finally:
        # Also when the person gives up: what was made must not stay. A generator that is closed
        # may not yield any more, so its outcome is only told on the usual way below.
        ended = _taken(last, now)
    yield ended


def advice_for(error: Exception, advice: str) -> str:
    """Say what to look at: what the error itself tells goes before what the step knows."""
    match error:
        case ApiError(status=401):
            return (
                "The token is not known there: is the profile's token that of this deployment,"
                " and is it in PENSTOCK_API_TOKENS of console and training-orchestrator?"
            )
        case ApiError(status=403):
            return "The token's role is too low: a smoke test makes things, so it needs `admin`."
        case ApiError(status=502 | 503 | 504):
            return "The load balancer has no healthy target for this path: " + advice
        case Unreachable():
            return (
                "Nothing answers at this address: check the profile's url, DNS, the certificate,"
                " the load balancer's listener, and whether this network is let through."
            )
        case _:
            return advice


def _taken(step: Step, now: Callable[[], float]) -> Outcome:
    started = now()
    try:
        seen = step.act()
    except (PenstockClientError, ValueError) as error:
        advice = advice_for(error, step.advice)
        return Outcome(step.name, now() - started, str(error), failed=True, advice=advice)
    return Outcome(step.name, now() - started, seen)
