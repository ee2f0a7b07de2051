"""What the preparer hands to the process that makes one dataset, and what comes back: plain files.

The folder of the process holds `order.json` and the raw pages; it leaves the dataset's files under
`out/` and `result.json`. It needs no network and no credentials.
"""

from pathlib import Path

import msgspec
from penstock.domain.errors import InvalidInput

ORDER, RESULT, OUT = "order.json", "result.json", "out"


class NoData(InvalidInput):
    """Nothing, or not enough, is left to learn from."""


class WrongLabel(InvalidInput):
    """The label's tag has no readings, or none that says anything."""


class OneClassOnly(InvalidInput):
    """Every row has the same label: there is nothing to tell apart."""


class UnreadableData(InvalidInput):
    """What the source answered cannot be read with its settings."""


class RawMissing(InvalidInput):
    """A raw page that was fetched is not there any more."""


class PreparationDied(InvalidInput):
    """The process ended without an answer, most likely for lack of memory."""


class RawPage(msgspec.Struct, frozen=True):
    """One raw page in the folder, and the tags that its request named."""

    file: str
    origin: str
    tags: list[str]


class PrepareOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset to make; `recipe` and `source` are the JSON of their bodies."""

    dataset_id: str
    job_id: str
    recipe: str
    source: str
    has_label: bool
    allows_missing: bool
    content_type: str
    memory_mb: int
    pages: list[RawPage]


class PrepareResult(msgspec.Struct, frozen=True, kw_only=True):
    """How it went: an error's name and a sentence, or neither and the files are there."""

    error: str = ""
    cause: str = ""


def read_order(folder: Path) -> PrepareOrder:
    """Read the order of a folder."""
    return msgspec.json.decode((folder / ORDER).read_bytes(), type=PrepareOrder)


def write_order(folder: Path, order: PrepareOrder) -> None:
    """Give a folder its order."""
    (folder / ORDER).write_bytes(msgspec.json.encode(order))


def read_result(folder: Path) -> PrepareResult | None:
    """Read what became of it; None where the process did not come so far."""
    path = folder / RESULT
    return msgspec.json.decode(path.read_bytes(), type=PrepareResult) if path.exists() else None


def write_result(folder: Path, result: PrepareResult) -> None:
    """Say what became of it."""
    (folder / RESULT).write_bytes(msgspec.json.encode(result))
