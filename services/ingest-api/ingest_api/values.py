"""Which values can be readings, and which numbers can be a sequence."""

import math
from typing import Any

from ingest_api.document import NOT_FINITE, Mark
from ingest_api.reasons import Reason

TEXT_LIMIT = 1024
SEQUENCE_LIMIT = 10_000
_LEAST_INT = -(2**63)
_GREATEST_INT = 2**64 - 1
_NUMBERS = {bool, int, float}
_PLAIN = {*_NUMBERS, type(None)}


def refuse_value(value: Any) -> Reason | None:
    """Say why a value cannot be a reading's, if so."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else Reason.NOT_FINITE
    if isinstance(value, int):
        fits = _LEAST_INT <= value <= _GREATEST_INT
        return None if fits else Reason.NUMBER_OUT_OF_RANGE
    if isinstance(value, str):
        return _refuse_text(value)
    if value is Mark.MISSING:
        return Reason.VALUE_MISSING
    is_mark = isinstance(value, Mark)
    return Reason.NOT_FINITE if is_mark and value in NOT_FINITE else Reason.VALUE_TYPE


def _refuse_text(text: str) -> Reason | None:
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        return Reason.TEXT_MALFORMED
    return Reason.TEXT_TOO_LONG if length > TEXT_LIMIT else None


def all_plain(values: list[Any]) -> bool:
    """Whether every value is null or a number that needs no second look."""
    kinds = set(map(type, values))
    if not kinds <= _PLAIN:
        return False
    numbers = values if kinds <= _NUMBERS else [value for value in values if value is not None]
    if not numbers:
        return True
    if int in kinds and not (min(numbers) >= _LEAST_INT and max(numbers) <= _GREATEST_INT):
        return False
    return math.isfinite(sum(numbers))


def refuse_data(data: list[Any]) -> Reason | None:
    """Say why a list cannot be a sequence, if so."""
    if not 0 < len(data) <= SEQUENCE_LIMIT:
        return Reason.SEQUENCE_LENGTH
    if set(map(type, data)) <= {int, float} and all_plain(data):
        return None
    return next((reason for number in data if (reason := _refuse_number(number))), None)


def _refuse_number(number: Any) -> Reason | None:
    is_number = isinstance(number, int | float | Mark) and not isinstance(number, bool)
    return refuse_value(number) if is_number else Reason.VALUE_TYPE
