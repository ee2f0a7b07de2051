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


@dataclass(frozen=True, slots=True)
class Reading:
    """Identity is (gateway_id, tag, at); on an equal identity the later `accepted_at` wins."""

    gateway_id: GatewayId
    tag: TagPath
    at: Micros
    value: Value
    quality: Quality
    accepted_at: Micros
    raw_quality: RawQuality = None
    flags: ReadingFlag = ReadingFlag.NONE


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
