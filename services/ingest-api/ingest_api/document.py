"""Bytes to a JSON document, strictly first and tolerantly where that fails, and back to text."""

import json
import math
from enum import Enum
from typing import Any

import msgspec
from penstock.domain.errors import MalformedPayload

_decode = msgspec.json.Decoder().decode


class Mark(Enum):
    """Stands in a document or column for what JSON cannot say or what was not there."""

    MISSING = "missing"
    NOT_AN_OBJECT = "not an object"
    NAN = "NaN"
    INFINITY = "Infinity"
    NEGATIVE_INFINITY = "-Infinity"


NOT_FINITE = frozenset({Mark.NAN, Mark.INFINITY, Mark.NEGATIVE_INFINITY})


def parse_document(body: bytes) -> Any:
    """Read a body as JSON; raise MalformedPayload.

    Scripts and serializers write NaN and Infinity, byte order marks and UTF-16 though JSON has
    none of them: a second, slower reading takes these and marks the numbers, so that one bad
    value does not cost a whole body.
    """
    try:
        return _decode(body)
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(body, parse_constant=Mark, parse_float=_float, parse_int=_int)
    except RecursionError as error:
        raise MalformedPayload("the JSON is nested too deeply") from error
    except ValueError as error:
        raise MalformedPayload(f"the body is not JSON: {error}") from error


def item_text(item: object, *, limit: int) -> str:
    """Write an item of a document for people, cut to `limit` characters."""
    try:
        text = msgspec.json.encode(item).decode()
    except RecursionError:
        text = "(nested too deeply to show)"
    except UnicodeEncodeError:
        # Only \u escapes can bring a lone surrogate in: they go out the same way.
        text = json.dumps(item, default=_mark_text)
    return text[:limit]


def _mark_text(mark: object) -> str:
    return str(mark.value) if isinstance(mark, Mark) else repr(mark)


def _float(text: str) -> float | Mark:
    number = float(text)
    return number if math.isfinite(number) else _infinity(text)


def _int(text: str) -> int | Mark:
    try:
        return int(text)
    except ValueError:  # thousands of digits: Python refuses to read them
        return _infinity(text)


def _infinity(text: str) -> Mark:
    return Mark.NEGATIVE_INFINITY if text.startswith("-") else Mark.INFINITY
