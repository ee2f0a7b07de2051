"""Lists in pages: `items`, and `next` as the cursor of the following page."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import Query
from penstock.domain.errors import InvalidInput
from pydantic import BaseModel

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=1000, description="Items of a page.")]
Day = Annotated[
    str | None, Query(pattern=r"^\d{4}-\d{2}-\d{2}$", description="UTC day; today if left out.")
]
Cursor = Annotated[str | None, Query(description="`next` of the page before.")]


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next: str | None = None


def write_cursor(*position: object) -> str:
    """Write where a page ended."""
    return urlsafe_b64encode(msgspec.json.encode(position)).decode()


def read_cursor(cursor: str, *types: type) -> list[Any]:
    """Read where a page ended; raise InvalidInput where it is not a cursor of this list."""
    try:
        position = msgspec.json.decode(urlsafe_b64decode(cursor.encode()))
    except (ValueError, msgspec.DecodeError) as error:
        raise InvalidInput("cursor: take it from `next` of the page before") from error
    fits = isinstance(position, list) and len(position) == len(types)
    if not fits or not all(isinstance(p, t) for p, t in zip(position, types, strict=True)):
        raise InvalidInput("cursor: it belongs to another list")
    return list(position)
