"""Columns on the wire: JSON by msgspec, compressed where that pays, bounded when opened.

Columnar JSON under zstd level 1 was the smallest and the cheapest to read of the forms that were
measured; base64 keeps it a legal message body.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from operator import sub
from typing import TypeVar

import msgspec
import zstandard

from penstock.domain.errors import InvalidInput, MalformedPayload

C = TypeVar("C")
T = TypeVar("T")

PACK_LIMIT = 60 * 1024
"""Bytes of one encoded pack: four of them fit one SNS batch call of 256 KiB with room to spare."""

_OPENED_LIMIT = 16 * 1024 * 1024
_WORTH_COMPRESSING = 600


class Packed(msgspec.Struct, frozen=True, omit_defaults=True):
    """Columns as they travel: plain JSON when small, base64 of zstd otherwise."""

    plain: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    zstd: str | None = None


def pack_columns(columns: object) -> Packed:
    """Encode columns in whichever form is smaller."""
    plain = msgspec.json.encode(columns)
    if len(plain) < _WORTH_COMPRESSING:
        return Packed(plain=msgspec.Raw(plain))
    return Packed(zstd=b64encode(zstandard.compress(plain, 1)).decode())


def unpack_columns(packed: Packed, columns: type[C]) -> C:
    """Decode columns; raise MalformedPayload on anything that is not them."""
    try:
        return msgspec.json.decode(_opened(packed), type=columns)
    except (msgspec.DecodeError, ValueError, zstandard.ZstdError) as error:
        raise MalformedPayload(f"columns cannot be read: {error}") from error


def _opened(packed: Packed) -> bytes:
    if packed.plain is not msgspec.UNSET:
        return bytes(packed.plain)
    if packed.zstd is None:
        raise MalformedPayload("a pack holds neither `plain` nor `zstd` columns")
    compressed = b64decode(packed.zstd, validate=True)
    size = zstandard.frame_content_size(compressed)
    if not 0 <= size <= _OPENED_LIMIT:
        raise MalformedPayload(
            f"a pack must open to at most {_OPENED_LIMIT} bytes, this says {size}"
        )
    return zstandard.decompress(compressed, max_output_size=_OPENED_LIMIT)


def deltas(numbers: Iterable[int]) -> list[int]:
    """First number, then differences: times in a row compress to almost nothing."""
    sequence = list(numbers)
    return [*sequence[:1], *map(sub, sequence[1:], sequence)]


def from_deltas(differences: Iterable[int]) -> list[int]:
    """Undo `deltas`."""
    return list(accumulate(differences))


def split_to_fit(
    items: Sequence[T], encode: Callable[[Sequence[T]], str], *, limit: int = PACK_LIMIT
) -> list[str]:
    """Encode items into as few bodies of at most `limit` bytes as halving finds, in order.

    Raise InvalidInput where a single item is larger than the limit.
    """
    body = encode(items)
    if len(body.encode()) <= limit:
        return [body]
    if len(items) <= 1:
        raise InvalidInput(f"one item takes {len(body)} bytes, more than the {limit} of a message")
    middle = len(items) // 2
    return [
        *split_to_fit(items[:middle], encode, limit=limit),
        *split_to_fit(items[middle:], encode, limit=limit),
    ]
