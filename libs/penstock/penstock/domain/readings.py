"""A reading: one value of one tag at one time, with quality."""

import math
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TypeAlias

from penstock.domain.ids import GatewayId, TagPath
from penstock.domain.time import Micros

Value: TypeAlias = bool | int | float | str | None
RawQuality: TypeAlias = bool | int | str | None


class Quality(IntEnum):
    """The normalised class; a greater one is worse."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


class ReadingFlag(IntFlag):
    """What we had to assume about a reading."""

    NONE = 0
    ASSUMED_TIME = 1
    ASSUMED_QUALITY = 2


def precedence(
    accepted_at: Micros, quality: Quality, value: Value
) -> tuple[int, int, int, float, str]:
    """Order among values of one tag and time; the greatest counts, wherever they meet.

    The later accepted wins. What follows only settles ties, so that no order of arrival matters.
    """
    if value is None:
        return (accepted_at, quality, 0, 0.0, "")
    if isinstance(value, str):
        return (accepted_at, quality, 2, 0.0, value)
    return (accepted_at, quality, 1, float(value), "")


@dataclass(frozen=True, slots=True)
class Reading:
    """Identity is (gateway_id, tag, at); of one identity the greatest `precedence` counts."""

    gateway_id: GatewayId
    tag: TagPath
    at: Micros
    value: Value
    quality: Quality
    accepted_at: Micros
    raw_quality: RawQuality = None
    flags: ReadingFlag = ReadingFlag.NONE

    @property
    def precedence(self) -> tuple[int, int, int, float, str]:
        """Order among readings of one identity: the later accepted wins."""
        return precedence(self.accepted_at, self.quality, self.value)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sensor's numbers for a model, as they came: the payload carries its own frame.

    `at` is the payload's time, or the arrival where it named none.
    """

    gateway_id: GatewayId
    sensor: str
    model: str
    at: Micros
    data: tuple[float, ...]
    accepted_at: Micros
    flags: ReadingFlag = ReadingFlag.NONE


@dataclass(frozen=True, slots=True)
class Reject:
    """An item that was refused: where it stood in its request, why, and its own bytes as text."""

    gateway_id: GatewayId
    request_id: str
    index: int
    reason: str
    item: str
    accepted_at: Micros


def as_number(value: Value) -> float:
    """Number of a value for a model: NaN for text, null and whatever is not finite."""
    if value is None or isinstance(value, str):
        return math.nan
    number = float(value)
    return number if math.isfinite(number) else math.nan
