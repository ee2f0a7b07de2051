"""When a reading was taken, from whatever a gateway wrote."""

import math
import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from penstock.domain.time import MINUTE, Micros, each_to_micros, parse_iso, to_micros

from ingest_api.document import Mark
from ingest_api.reasons import Reason

OLDEST = parse_iso("2000-01-01T00:00:00Z")
"""Before it no gateway ran: a clock without battery starts in 1970."""
AHEAD = Micros(10 * MINUTE)
"""A clock may run ahead by this much."""

_SECONDS_BELOW = 10**11
_MILLIS_BELOW = 10**14
_MICROS_BELOW = 10**17
_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,30}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,3})?)\s*", re.ASCII)
_TEXT_LIMIT = 64


def is_absent(raw: Any) -> bool:
    """Whether no time was given."""
    return raw is None or raw is Mark.MISSING


def event_time(raw: Any, zone: ZoneInfo | None, now: Micros) -> Micros | Reason:
    """Read a time that was given, or say why it cannot be believed."""
    at = _read(raw, zone)
    if isinstance(at, Reason):
        return at
    if at < OLDEST:
        return Reason.TIME_TOO_OLD
    return Reason.TIME_IN_FUTURE if at > now + AHEAD else at


def event_times(column: list[Any], now: Micros) -> list[int] | None:
    """Read a column in which every time is fine and of one kind; None where one needs a look."""
    kinds = set(map(type, column))
    if kinds == {int}:
        least = min(column)
        scale = _scale(least)
        if scale and least * scale >= OLDEST and max(column) * scale <= now + AHEAD:
            return column if scale == 1 else [at * scale for at in column]
        return None
    if kinds != {str} or max(map(len, column)) > _TEXT_LIMIT:
        return None
    try:
        times = each_to_micros(map(datetime.fromisoformat, column))
    except (ValueError, TypeError):  # no time, or one without a zone
        return None
    return times if min(times) >= OLDEST and max(times) <= now + AHEAD else None


def _scale(number: int) -> int:
    """Microseconds of one unit by magnitude; 0 for nanoseconds, which are less than one."""
    if number < _SECONDS_BELOW:
        return 1_000_000
    if number < _MILLIS_BELOW:
        return 1_000
    return 1 if number < _MICROS_BELOW else 0


def _read(raw: Any, zone: ZoneInfo | None) -> Micros | Reason:
    if isinstance(raw, bool):
        return Reason.TIME_MALFORMED
    if isinstance(raw, int | float):
        return _of_number(raw)
    if not isinstance(raw, str) or len(raw) > _TEXT_LIMIT:
        return Reason.TIME_MALFORMED
    number = _NUMBER.fullmatch(raw)
    if number:
        return _of_number(float(raw) if number[2] or number[3] else int(raw))
    return _of_iso(raw.strip().upper(), zone)


def _of_number(number: float) -> Micros | Reason:
    if not math.isfinite(number):
        return Reason.TIME_MALFORMED
    if number < 0:
        return Reason.TIME_TOO_OLD
    scale = _scale(int(number))
    return Micros(round(number * scale) if scale else int(number) // 1_000)


def _of_iso(text: str, zone: ZoneInfo | None) -> Micros | Reason:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            if zone is None:
                return Reason.TIME_WITHOUT_ZONE
            moment = moment.replace(tzinfo=zone)
        return to_micros(moment)
    except (ValueError, OverflowError):
        return Reason.TIME_MALFORMED
