"""What to do with a delivery whose handling failed: the error family decides, purely."""

import random
from dataclasses import dataclass

from penstock.domain.errors import Conflict, InvalidInput, NotFound, Unavailable

_FIRST_DELAY_SECONDS = 1.0
_LONGEST_DELAY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Ack:
    """Somebody did it already."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Give it back for a while; a bug is told apart so that it is logged as one."""

    delay_seconds: float
    is_bug: bool


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """It can never succeed: keep it for people, with the reason."""

    reason: str


RetryAction = Ack | Retry | DeadLetter


def plan_retry(error: Exception, receive_count: int, *, jitter: random.Random) -> RetryAction:
    """Turn an error into the action that its family asks for.

    Delays double from 1 s to 5 min with full jitter downwards to half, so that deliveries that
    failed together do not come back together.
    """
    match error:
        case Conflict():
            return Ack()
        case InvalidInput() | NotFound():
            return DeadLetter(f"{type(error).__name__}: {error}")
        case Unavailable(retry_after_seconds=float() | int() as seconds):
            return Retry(min(seconds, _LONGEST_DELAY_SECONDS), is_bug=False)
        case _:
            delay = min(
                _FIRST_DELAY_SECONDS * 2 ** min(receive_count - 1, 16), _LONGEST_DELAY_SECONDS
            )
            return Retry(
                delay * jitter.uniform(0.5, 1.0), is_bug=not isinstance(error, Unavailable)
            )
