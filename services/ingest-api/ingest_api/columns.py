"""Lists of JSON objects to columns, whatever of the known spellings they use.

This is the hot path of every body: one comprehension per column where all items are spelled
alike, and the patient way only where they are not.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from ingest_api.document import Mark
from ingest_api.payload_format import Parsed

NAME_KEYS = ("tag", "path", "id", "name")
VALUE_KEYS = ("value", "v")
QUALITY_KEYS = ("quality", "q")
TIME_KEYS = ("at", "ts", "t", "timestamp", "time")

ENVELOPE_KEYS = ("readings", "values", "samples", "data")
"""Members of an envelope that hold its readings."""
RESERVED_KEYS = frozenset({*ENVELOPE_KEYS, "parameters", "entries", "metrics"})
"""Members that make a document an envelope of some gateway, so they are never tags."""


def column(items: Sequence[Any], keys: Sequence[str]) -> list[Any]:
    """Take one member out of every item under whichever key it has; the first item's key leads."""
    alike = _alike(items, keys)
    if alike is not None:
        return alike
    if not _mentions(items, keys):
        return [Mark.MISSING] * len(items)
    leading = _leading(items, keys)
    in_order = (leading, *keys) if leading else keys
    return [_member(item, in_order) for item in items]


def enveloped(document: Any) -> list[Any] | None:
    """Items of an envelope: the first list under an envelope's key that is empty or names a tag."""
    if isinstance(document, dict):
        for key in ENVELOPE_KEYS:
            items = document.get(key)
            if isinstance(items, list) and (not items or any(map(names_a_tag, items))):
                return items
    return None


def names_a_tag(item: Any) -> bool:
    """Whether an item is an object that names its tag."""
    return isinstance(item, dict) and any(key in item for key in NAME_KEYS)


def all_have(items: Sequence[Any], keys: Sequence[str]) -> bool:
    """Whether all items have the member, under the key of the first."""
    return _alike(items, keys) is not None


def columns_of(items: list[Any]) -> Parsed:
    """Read items that name their tag."""
    names = _alike(items, NAME_KEYS)
    if names is None:
        names = [
            name if isinstance(item, dict) else Mark.NOT_AN_OBJECT
            for name, item in zip(column(items, NAME_KEYS), items, strict=True)
        ]
    return _with_members(names, column(items, VALUE_KEYS), items)


def columns_of_events(tags: list[Any], events: list[Any]) -> Parsed:
    """Read events whose tags stand beside them."""
    values = _alike(events, VALUE_KEYS)
    if values is None:  # some are spelled otherwise, or are no objects
        values = column(events, VALUE_KEYS)
        tags = [
            tag if isinstance(event, dict) else Mark.NOT_AN_OBJECT
            for tag, event in zip(tags, events, strict=True)
        ]
    return _with_members(tags, values, events)


def _with_members(tags: list[Any], values: list[Any], items: list[Any]) -> Parsed:
    return Parsed(
        tags=tags,
        values=values,
        qualities=column(items, QUALITY_KEYS),
        times=column(items, TIME_KEYS),
        items=items,
    )


def _alike(items: Sequence[Any], keys: Sequence[str]) -> list[Any] | None:
    """The member of every item, where all have it under the key of the first; else None."""
    leading = _leading(items, keys)
    if leading is None:
        return None if items else []
    try:
        return list(map(itemgetter(leading), items))
    except (KeyError, TypeError):
        return None


def _leading(items: Sequence[Any], keys: Sequence[str]) -> str | None:
    first = items[0] if items else None
    if isinstance(first, dict):
        for key in keys:
            if key in first:
                return key
    return None


def _mentions(items: Sequence[Any], keys: Sequence[str]) -> bool:
    """Whether any item has any of the keys; true as well where that cannot be told cheaply."""
    try:
        return not set().union(*items).isdisjoint(keys)
    except TypeError:
        return True


def _member(item: Any, keys: Sequence[str]) -> Any:
    if isinstance(item, dict):
        for key in keys:
            if key in item:
                return item[key]
    return Mark.MISSING
