"""JSON of the outside world, as plain values."""

import json
import math
from typing import cast

import msgspec

from penstock.domain.errors import MalformedPayload
from penstock.domain.readings import RawQuality, Value

_LARGEST = 1e308


def parse_json(body: bytes) -> object:
    """Parse JSON, tolerating a byte-order mark and NaN; raise MalformedPayload."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError):
        pass  # stricter than what is out there
    try:
        return cast(object, json.loads(body.decode("utf-8-sig")))
    except (ValueError, RecursionError) as error:
        raise MalformedPayload(f"the answer is not whole JSON: {error}") from error


def plain_value(value: object, quality: object) -> tuple[Value, RawQuality]:
    """Value and raw quality of a sample; what is no single value becomes a bad null."""
    known = quality if isinstance(quality, bool | int | str) or quality is None else str(quality)
    if isinstance(quality, float) and quality.is_integer():
        known = int(quality)
    if isinstance(value, float) and not math.isfinite(value):
        return None, "bad"
    if isinstance(value, bool | str) or value is None:
        return value, known
    if isinstance(value, int | float) and abs(value) <= _LARGEST:
        return value, known
    return None, "bad"
