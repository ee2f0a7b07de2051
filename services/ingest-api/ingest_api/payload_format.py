"""What a payload format is: how to know it, how to read it, and samples that prove both."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ingest_api.document import Mark
from ingest_api.reasons import Reason


@dataclass(frozen=True, slots=True)
class ParseContext:
    """What a format may know beside the document."""

    gateway_id: str


@dataclass(frozen=True, slots=True)
class RawSequence:
    """A sensor's numbers as they came, unjudged; `index` is the place in the body."""

    sensor: Any
    model: Any
    data: list[Any]
    time: Any
    index: int = 0
    item: Any = None


@dataclass(frozen=True, slots=True)
class Stray:
    """An item of no known shape, beside others that have one."""

    index: int
    reason: Reason
    item: Any


@dataclass(slots=True)
class Parsed:
    """What a body says, unjudged: readings by column, then whatever is not one.

    Columns are of equal length; `Mark.MISSING` stands for what an item does not say.
    `batch_time` is the body's own time, for readings without one. `items` are the readings as
    they came where the format has them as objects, `indexes` their places in the body where these
    are not simply their order.
    """

    tags: list[Any] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    qualities: list[Any] = field(default_factory=list)
    times: list[Any] = field(default_factory=list)
    batch_time: Any = Mark.MISSING
    items: list[Any] = field(default_factory=list)
    indexes: list[int] = field(default_factory=list)
    sequences: list[RawSequence] = field(default_factory=list)
    strays: list[Stray] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many items the body has."""
        return len(self.tags) + len(self.sequences) + len(self.strays)

    def index(self, row: int) -> int:
        """Place of a reading in the body."""
        return self.indexes[row] if self.indexes else row

    def item(self, row: int) -> object:
        """A reading as it came, or what its columns say."""
        if self.items:
            return self.items[row]
        said = {
            "tag": self.tags[row],
            "value": self.values[row],
            "quality": self.qualities[row],
            "ts": self.times[row],
        }
        return {key: value for key, value in said.items() if value is not Mark.MISSING}


@dataclass(frozen=True, slots=True)
class Sample:
    """A body in the wild, with the readings (tag, value) and sequences (sensor, model) it says."""

    body: str
    readings: tuple[tuple[str, object], ...] = ()
    sequences: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class PayloadFormat:
    """A gateway's format.

    `recognises` must be cheap, answer for any document and never raise; objects without lists and
    objects in them it must tell by the names of their members alone. `parse` is pure, is only
    given documents that are recognised, and raises nothing but MalformedPayload. Formats are
    asked in order of `order`: the first that recognises a document reads it. `parse_many` reads
    neighbours in an array at once, where that is cheaper than one by one.

    `parse_usual` reads a body of the usual spelling without a document in between; it is None for
    all others, for all that another format would be asked about first, and says what `parse` says.
    Its columns need no `items`: a body in which anything is not fine is read by `parse`.
    """

    name: str
    order: int
    recognises: Callable[[Any], bool]
    parse: Callable[[Any, ParseContext], Parsed]
    samples: tuple[Sample, ...]
    parse_many: Callable[[list[Any], ParseContext], Parsed] | None = None
    parse_usual: Callable[[bytes], Parsed | None] | None = None
    media_type: str = "application/json"
