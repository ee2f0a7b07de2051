"""What requests bring, packed into as few messages as fit, and which pack holds whose. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from penstock.channels.readings import (
    CHANNEL,
    ReadingBlock,
    ReadingsMessage,
    columns_of_blocks,
    readings_message,
    rejects_message,
    to_columns,
)
from penstock.domain.readings import Reject
from penstock.domain.readings import Sequence as SequenceReading
from penstock.domain.time import Micros
from penstock.packing import PACK_LIMIT
from penstock.ports import Clock
from penstock.runtime.clock import new_id
from penstock.runtime.tracing import NO_TRACING, UNTRACED, Span, Tracing

_FILL = 0.9
"""Share of a pack that is filled by estimate: too full means encoding twice."""
_MOST_ROWS = 20_000
_NUMBERS_PER_PACK = 12_000
_REJECT_CHARACTERS_PER_PACK = 150_000
_WEIGHED_SHARE = 0.5
"""Share of a pack below which it says little about a row: its names weigh the most."""


@dataclass(frozen=True, slots=True, eq=False)
class Submission:
    """What one request brings, durable only as a whole; `span` is that of the request."""

    block: ReadingBlock
    sequences: Sequence[SequenceReading] = ()
    rejects: Sequence[Reject] = ()
    span: Span = UNTRACED

    @property
    def weight(self) -> int:
        """Size in readings, roughly: what bounds and batches count in."""
        weight = 1 + len(self.block.tags)
        if self.sequences or self.rejects:
            numbers = sum(len(sequence.data) for sequence in self.sequences)
            characters = sum(len(reject.item) for reject in self.rejects)
            weight += numbers // 2 + len(self.rejects) + characters // 32
        return weight


@dataclass(frozen=True, slots=True)
class Pack:
    """One message, and the positions of the submissions that it holds parts of.

    `span` began when it was made; whoever publishes the pack ends it.
    """

    id: str
    body: str
    owners: frozenset[int]
    kind: str
    span: Span


P = TypeVar("P")
Piece = tuple[int, P]
"""Part of a submission, behind the submission's position."""
Pieces = list[Piece[P]]


@dataclass(frozen=True, slots=True)
class _Kind(Generic[P]):
    """How pieces of one sort become a message, and how they are split when they do not fit."""

    message: Callable[[list[P], str, Micros, str], ReadingsMessage]
    halve: Callable[[Pieces[P]], tuple[Pieces[P], Pieces[P]] | None]


class Packer:
    """Packs submissions; learns from each pack how many bytes a reading takes."""

    def __init__(self, clock: Clock, tracing: Tracing = NO_TRACING) -> None:
        """Start from the size of plausible readings."""
        self._clock = clock
        self._tracing = tracing
        self._row_bytes = 20.0
        self.rows_per_pack = self._rows_that_fill()
        """How many readings fill a pack, by what was seen so far."""

    def _rows_that_fill(self) -> int:
        return min(_MOST_ROWS, int(PACK_LIMIT * _FILL / self._row_bytes))

    def pack(self, submissions: Sequence[Submission]) -> list[Pack]:
        """Make the packs of a flush."""
        blocks = [(owner, s.block) for owner, s in enumerate(submissions) if s.block.tags]
        sequences = [(owner, one) for owner, s in enumerate(submissions) for one in s.sequences]
        rejects = [(owner, one) for owner, s in enumerate(submissions) for one in s.rejects]
        traces = [submission.span.trace for submission in submissions]
        packs: list[Pack] = []
        for rows in cut_rows(blocks, self.rows_per_pack):
            fitting = self._fit(rows, _BLOCKS, traces)
            self._learn(rows, fitting)
            packs += fitting
        for numbers in _chunks(sequences, lambda one: len(one.data), _NUMBERS_PER_PACK):
            packs += self._fit(numbers, _SEQUENCES, traces)
        for refused in _chunks(rejects, lambda one: len(one.item), _REJECT_CHARACTERS_PER_PACK):
            packs += self._fit(refused, _REJECTS, traces)
        return packs

    def _fit(self, pieces: Pieces[P], kind: _Kind[P], traces: Sequence[str]) -> list[Pack]:
        """Encode pieces, in halves where they do not fit one pack.

        A single piece may be larger than a pack: alone it still fits a call, since its size is
        bounded where it is judged.
        """
        pack = self._encode(pieces, kind, traces)
        # Characters are bytes here: a body of this size is base64.
        halves = kind.halve(pieces) if len(pack.body) > PACK_LIMIT else None
        if halves is None:
            return [pack]
        first, second = halves
        return [*self._fit(first, kind, traces), *self._fit(second, kind, traces)]

    def _encode(self, pieces: Pieces[P], kind: _Kind[P], traces: Sequence[str]) -> Pack:
        owners = frozenset(owner for owner, _ in pieces)
        # A pack goes on with the trace of one of its requests, and links to those of the others.
        span = self._tracing.shared_span(
            "publish readings", (traces[owner] for owner in sorted(owners)), kind="producer"
        )
        made = kind.message(
            [piece for _, piece in pieces], new_id(self._clock), self._clock.now(), span.traceparent
        )
        return Pack(made.id, CHANNEL.encode(made), owners, made.kind, span)

    def _learn(self, rows: Pieces[ReadingBlock], packs: Sequence[Pack]) -> None:
        """Up at once, down slowly: guessing too small costs a second encoding."""
        count = sum(len(block.tags) for _, block in rows)
        if count >= _WEIGHED_SHARE * self.rows_per_pack:
            seen = sum(len(pack.body) for pack in packs) / count
            self._row_bytes = max(seen, 0.8 * self._row_bytes + 0.2 * seen)
            self.rows_per_pack = self._rows_that_fill()


def cut_rows(blocks: Iterable[Piece[ReadingBlock]], limit: int) -> Iterator[Pieces[ReadingBlock]]:
    """Group blocks into packs of at most `limit` rows; only larger blocks than that are cut."""
    pack: Pieces[ReadingBlock] = []
    free = limit
    for owner, block in blocks:
        rows = len(block.tags)
        for start in range(0, rows, limit):
            part = block.rows(start, min(rows, start + limit))
            if pack and len(part.tags) > free:
                yield pack
                pack, free = [], limit
            pack.append((owner, part))
            free -= len(part.tags)
    if pack:
        yield pack


def _blocks_message(
    blocks: list[ReadingBlock], pack_id: str, at: Micros, trace: str
) -> ReadingsMessage:
    columns = columns_of_blocks(blocks)
    return readings_message(columns, pack_id=pack_id, created_at=at, trace=trace)


def _sequences_message(
    sequences: list[SequenceReading], pack_id: str, at: Micros, trace: str
) -> ReadingsMessage:
    columns = to_columns([], sequences)
    return readings_message(columns, pack_id=pack_id, created_at=at, trace=trace)


def _rejects_message(
    rejects: list[Reject], pack_id: str, at: Micros, trace: str
) -> ReadingsMessage:
    return rejects_message(rejects, pack_id=pack_id, created_at=at, trace=trace)


def _halve(pieces: Pieces[P]) -> tuple[Pieces[P], Pieces[P]] | None:
    middle = len(pieces) // 2
    return (pieces[:middle], pieces[middle:]) if middle else None


def _halve_rows(
    pieces: Pieces[ReadingBlock],
) -> tuple[Pieces[ReadingBlock], Pieces[ReadingBlock]] | None:
    if len(pieces) > 1:
        return _halve(pieces)
    ((owner, block),) = pieces
    middle = len(block.tags) // 2
    if not middle:
        return None
    return [(owner, block.rows(0, middle))], [(owner, block.rows(middle, len(block.tags)))]


_BLOCKS = _Kind(_blocks_message, _halve_rows)
_SEQUENCES: _Kind[SequenceReading] = _Kind(_sequences_message, _halve)
_REJECTS: _Kind[Reject] = _Kind(_rejects_message, _halve)


def _chunks(
    pieces: Iterable[Piece[P]], size: Callable[[P], int], limit: int
) -> Iterator[Pieces[P]]:
    """Group pieces by plain size, so that halving starts near the goal."""
    chunk: Pieces[P] = []
    held = 0
    for owner, piece in pieces:
        if chunk and held + size(piece) > limit:
            yield chunk
            chunk, held = [], 0
        chunk.append((owner, piece))
        held += size(piece) + 64
    if chunk:
        yield chunk
