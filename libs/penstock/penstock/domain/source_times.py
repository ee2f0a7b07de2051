"""Times as sources and gateways write them: epochs of any unit, ISO 8601."""

import math
from datetime import datetime, tzinfo
from enum import StrEnum

from penstock.domain.time import Micros, to_micros


class TimeUnit(StrEnum):
    """Unit of a numeric time; `auto` tells it by magnitude, which is safe from 1973 to 5138."""

    AUTO = "auto"
    SECONDS = "s"
    MILLIS = "ms"
    MICROS = "us"
    NANOS = "ns"


_MICROS_PER = {
    TimeUnit.SECONDS: (1_000_000, 1),
    TimeUnit.MILLIS: (1_000, 1),
    TimeUnit.MICROS: (1, 1),
    TimeUnit.NANOS: (1, 1_000),
}
_LARGEST = ((1e11, TimeUnit.SECONDS), (1e14, TimeUnit.MILLIS), (1e17, TimeUnit.MICROS))
_YEAR_9999 = Micros(253_402_300_800_000_000)


def read_time(raw: object, unit: TimeUnit = TimeUnit.AUTO, zone: tzinfo | None = None) -> Micros:
    """Read an epoch (number or numeric text) or ISO 8601; raise ValueError saying why not.

    `zone` is that of ISO times that name none; without it they are refused.
    """
    if isinstance(raw, str):
        number = _number(raw)
        return _from_iso(raw, zone) if number is None else _from_epoch(number, unit)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise ValueError(f"{raw!r} is no time")  # noqa: TRY004  # callers refuse data by ValueError
    return _from_epoch(raw, unit)


def _number(text: str) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def _from_iso(text: str, zone: tzinfo | None) -> Micros:
    at = datetime.fromisoformat(text.strip())
    return to_micros(at.replace(tzinfo=zone) if at.tzinfo is None else at)


def _from_epoch(number: float, unit: TimeUnit) -> Micros:
    if not math.isfinite(number):
        raise ValueError(f"{number} is no time")
    if unit is TimeUnit.AUTO:
        unit = next((u for limit, u in _LARGEST if abs(number) < limit), TimeUnit.NANOS)
    times, over = _MICROS_PER[unit]
    at = number * times // over if isinstance(number, int) else round(number * times / over)
    if not -_YEAR_9999 < at < _YEAR_9999:
        raise ValueError(f"{number} in {unit} is no time of this world")
    return Micros(int(at))
