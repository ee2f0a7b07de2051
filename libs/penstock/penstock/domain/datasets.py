"""Datasets: one large pull of history, cut into slices that are fetched and retried alone.

A plan is never a list: slice n is computed from n, so a plan of 100,000 slices takes no memory.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from penstock.domain.errors import InvalidInput
from penstock.domain.frames import FrameDefinition
from penstock.domain.ids import AssetName, SliceId, TagPath
from penstock.domain.readings import Value, as_number
from penstock.domain.time import SECOND, Micros

MOST_SLICES = 100_000
MOST_CHILDREN = 90
"""Children that one transaction can add beside the slice and the job (DynamoDB allows 100)."""
_SHORTEST = SECOND


class SliceState(StrEnum):
    """Only an OPEN slice may still change; a SPLIT one is done when its children are."""

    OPEN = "OPEN"
    DONE = "DONE"
    FAILED = "FAILED"
    SPLIT = "SPLIT"


@dataclass(frozen=True, slots=True)
class Slice:
    """Readings of `tags` in [since, until), or one page of them where pages are numbered."""

    slice_id: SliceId
    since: Micros
    until: Micros
    tags: tuple[TagPath, ...] = ()
    page: int | None = None
    page_size: int | None = None

    def halves(self) -> tuple["Slice", ...]:
        """Two children, by time, or by tag where time is too short; none where it is atomic."""
        if self.page is not None:
            return ()
        middle = Micros((self.since + self.until) // 2)
        if self.until - self.since >= 2 * _SHORTEST:
            return (
                replace(self, slice_id=child_id(self.slice_id, 1), until=middle),
                replace(self, slice_id=child_id(self.slice_id, 2), since=middle),
            )
        if len(self.tags) < 2:
            return ()
        cut = len(self.tags) // 2
        return (
            replace(self, slice_id=child_id(self.slice_id, 1), tags=self.tags[:cut]),
            replace(self, slice_id=child_id(self.slice_id, 2), tags=self.tags[cut:]),
        )

    def pages(self, count: int) -> tuple["Slice", ...]:
        """A child for each of `count` pages; raise InvalidInput past what one transaction adds."""
        if count > MOST_CHILDREN:
            raise InvalidInput(f"{count} pages in one slice; at most {MOST_CHILDREN}: halve it")
        return tuple(
            replace(self, slice_id=child_id(self.slice_id, page), page=page)
            for page in range(1, count + 1)
        )


def child_id(parent: SliceId, position: int) -> SliceId:
    """Name of a child: `000012.3`; children sort right after their parent."""
    return SliceId(f"{parent}.{position}")


@dataclass(frozen=True, slots=True)
class Pull:
    """What to read from a source, and how to cut it: time outside, groups of tags inside."""

    source: str
    since: Micros
    until: Micros
    tags: tuple[TagPath, ...]
    window: Micros
    tags_per_request: int
    page_size: int | None = None

    @property
    def slice_count(self) -> int:
        """How many slices the plan has, before any is split."""
        return self._windows * self._groups

    def slice_at(self, position: int) -> Slice:
        """Slice number `position`, counted from 0."""
        if not 0 <= position < self.slice_count:
            raise IndexError(f"the plan has {self.slice_count} slices, not one at {position}")
        window, group = divmod(position, self._groups)
        since = Micros(self.since + window * self.window)
        first = group * self.tags_per_request
        return Slice(
            slice_id=SliceId(f"{position:06d}"),
            since=since,
            until=Micros(min(since + self.window, self.until)),
            tags=self.tags[first : first + self.tags_per_request],
            page_size=self.page_size,
        )

    def slices(self, first: int = 0) -> Iterator[Slice]:
        """Walk the plan from a position on."""
        return (self.slice_at(position) for position in range(first, self.slice_count))

    @property
    def _windows(self) -> int:
        return math.ceil((self.until - self.since) / self.window)

    @property
    def _groups(self) -> int:
        return max(1, math.ceil(len(self.tags) / self.tags_per_request))


@dataclass(frozen=True, slots=True)
class SourceTag:
    """A tag of the source, the asset it belongs to, and its name within that asset."""

    path: TagPath
    asset: AssetName
    name: str


@dataclass(frozen=True, slots=True)
class Label:
    """What the model is to learn: the value of a tag at the frame's event time.

    With `positive`, a frame is 1 where the value equals it, else 0; without, any number but 0 is 1.
    A frame whose label is not known is dropped from the dataset.
    """

    tag: str
    positive: Value = None

    def number(self, value: Value) -> float:
        """1 or 0, NaN where the value says neither."""
        if value is None:
            return math.nan
        if self.positive is not None:
            return float(value == self.positive)
        number = as_number(value)
        return number if math.isnan(number) else float(number != 0)


class Part(StrEnum):
    """The three parts of a dataset."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Split:
    """Shares of the time that the rows cover, in order, with a gap that belongs to no part.

    Never at random: rows next to each other in time know each other's labels.
    """

    train: float = 0.7
    validation: float = 0.1
    test: float = 0.2
    gap: Micros = Micros(0)

    def part_at(self, at: Micros, first: Micros, last: Micros) -> Part | None:
        """Part of a row at `at` where all rows stand in [first, last]; None inside a gap."""
        for part, (since, until) in self.ranges(first, last).items():
            if since <= at < until:
                return part
        return None

    def ranges(self, first: Micros, last: Micros) -> dict[Part, tuple[Micros, Micros]]:
        """[since, until) of each part; a gap is cut from the start of the later part."""
        span = last + 1 - first
        ends = {
            Part.TRAIN: Micros(first + round(span * self.train)),
            Part.VALIDATION: Micros(first + round(span * (self.train + self.validation))),
            Part.TEST: Micros(last + 1),
        }
        ranges: dict[Part, tuple[Micros, Micros]] = {}
        since = first
        for part, end in ends.items():
            start = Micros(min(end, since + self.gap)) if ranges and since < end else since
            ranges[part] = (start, end)
            since = end
        return ranges


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that a dataset is made from: the same recipe gives the same dataset."""

    pull: Pull
    tags: tuple[SourceTag, ...]
    frame: FrameDefinition
    label: Label | None
    split: Split
    seed: int
