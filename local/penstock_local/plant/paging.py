"""One page of the records of several tags, by number or by cursor."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from penstock_local.plant.samples import Samples, iso_time

MAX_PAGE_SIZE = 10_000


@dataclass(frozen=True, slots=True)
class Records:
    """The samples of several tags as one list, ordered by time, then as the tags were named."""

    samples: Sequence[Samples]
    order: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, samples: Sequence[Samples]) -> "Records":
        lengths = [len(part) for part in samples]
        times = np.concatenate([part.times for part in samples]) if samples else np.empty(0)
        owner = np.repeat(np.arange(len(samples)), lengths)
        starts = np.cumsum([0, *lengths])[:-1]
        return cls(samples, np.lexsort((owner, times)), starts)

    def __len__(self) -> int:
        return len(self.order)

    def slice(self, offset: int, size: int) -> list[dict[str, Any]]:
        return [self._record(int(place)) for place in self.order[offset : offset + size]]

    def _record(self, place: int) -> dict[str, Any]:
        owner = int(np.searchsorted(self.starts, place, side="right")) - 1
        samples, row = self.samples[owner], place - int(self.starts[owner])
        value = samples.values[row]
        return {
            "tag": samples.tag,
            "time": iso_time(int(samples.times[row])),
            "value": value.item() if isinstance(value, np.generic) else value,
            "quality": int(samples.quality[row]),
        }


def numbered_page(records: Records, page: int, size: int) -> dict[str, Any]:
    """Return page `page`, counted from 1; a page past the last one is empty."""
    return {
        "total": len(records),
        "page": page,
        "pages": -(-len(records) // size),
        "records": records.slice((page - 1) * size, size),
    }


def cursor_page(records: Records, cursor: str, size: int) -> dict[str, Any]:
    """Return the page that `cursor` points to, an empty one being the first; `next_cursor` ends
    with null. Raises ValueError for a cursor that is not ours.
    """
    offset = _decode(cursor) if cursor else 0
    following = offset + size
    return {
        "records": records.slice(offset, size),
        "next_cursor": _encode(following) if following < len(records) else None,
    }


def _encode(offset: int) -> str:
    return base64.urlsafe_b64encode(f"after:{offset}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> int:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        name, _, offset = base64.urlsafe_b64decode(padded).decode().partition(":")
    except ValueError as error:  # not base64, not text
        raise ValueError("unknown cursor") from error
    if name != "after" or not offset.isdigit():
        raise ValueError("unknown cursor")
    return int(offset)
