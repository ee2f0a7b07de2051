"""The real clock, and ids made from it."""

import os
import time

from penstock.domain.ids import sortable_id
from penstock.domain.time import Micros
from penstock.ports import Clock


class SystemClock:
    """The machine's clock."""

    def now(self) -> Micros:
        """Return the present in UTC microseconds."""
        return Micros(time.time_ns() // 1_000)


def new_id(clock: Clock) -> str:
    """Make an id of 26 characters that nobody else makes and that sorts by time."""
    return sortable_id(clock.now(), os.urandom(10))
