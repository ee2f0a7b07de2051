"""Readings as they reach their asset, what they cause, and what becomes of them."""

from enum import IntEnum
from typing import NamedTuple

from penstock.domain.ids import PackId
from penstock.domain.predictions import PredictionFlag
from penstock.domain.readings import ReadingFlag
from penstock.domain.samples import Sample
from penstock.domain.time import Micros

_NO_PACK = PackId("")

_TOLD = {
    ReadingFlag.ASSUMED_TIME: PredictionFlag.ASSUMED_TIME,
    ReadingFlag.ASSUMED_QUALITY: PredictionFlag.ASSUMED_QUALITY,
}


class Arrival(NamedTuple):
    """A reading as it reaches its asset; a tuple, since millions are made."""

    pack_id: PackId
    tag: str
    sample: Sample
    flags: ReadingFlag = ReadingFlag.NONE
    trace: str = ""


class Fate(IntEnum):
    """What became of a reading; where several things did, the greatest is told."""

    UNBOUND = 0
    STATE_ONLY = 1
    LATE = 2
    WARMING_UP = 3
    CORRECTIONS = 4
    FRAMED = 5


class Range(NamedTuple):
    """Event times to compute again, both ends included."""

    since: Micros
    until: Micros


class Cause(NamedTuple):
    """What made a binding ask at one event time; `flags` are those of the prediction."""

    received_at: Micros
    flags: int
    trace: str = ""
    pack_id: PackId = _NO_PACK

    def joined(self, other: "Cause") -> "Cause":
        """The earliest arrival with the flags of both."""
        if other == self:
            return self
        first = self if self.received_at <= other.received_at else other
        return first._replace(flags=self.flags | other.flags)


def prediction_flags(flags: ReadingFlag) -> int:
    """What was assumed of a reading, as its predictions tell it."""
    return sum(told for assumed, told in _TOLD.items() if flags & assumed) if flags else 0
