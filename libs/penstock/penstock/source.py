"""A REST source of history: how to ask it, and how to read what it answers.

A plug-in is pure: it describes the next request of a slice from what was answered so far, and
decodes bytes. Whoever owns the connection (the fetcher) sends, guards, paces, stores and retries,
and a walk that was interrupted goes on from the answers that are already stored.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import BaseModel

from penstock.domain.errors import InvalidInput, MalformedPayload, Unavailable
from penstock.domain.ids import TagPath
from penstock.domain.readings import Quality, Value
from penstock.domain.time import Micros


class TruncatedAnswer(MalformedPayload):
    """An answer that is not all of what it should be; never taken for a short one.

    `restart` tells that the answers before it no longer fit together either.
    """

    def __init__(self, message: str, *, restart: bool = False) -> None:
        """Say what is missing."""
        super().__init__(message)
        self.restart = restart


class SourceUnreachable(Unavailable):
    """The connection to the source fails or breaks."""


class SourceTimedOut(Unavailable):
    """The source did not finish its answer in time: a smaller question may fare better."""


class AnswerTooLarge(InvalidInput):
    """The answer passes the limit of bytes: a smaller question may fare better."""


class SourceRecord(NamedTuple):
    """One value of one tag as a source tells it (a plain tuple: slices hold millions)."""

    tag: TagPath
    at: Micros
    value: Value
    quality: Quality


@dataclass(frozen=True, slots=True)
class SourceSlice:
    """What is asked of a source: [since, until) of some tags, or one page of that, from 1 on."""

    since: Micros
    until: Micros
    tags: tuple[str, ...]
    page: int | None = None
    page_size: int | None = None


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """One HTTP request: `target` is a path below the source's base URL, or, as a `link` that the
    source gave, a URL or path of its origin.

    `tags` are those that the answer speaks of, since not every answer names them.
    """

    target: str
    params: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: str | None = None
    tags: tuple[str, ...] = ()
    page: int | None = None
    cursor: str | None = None
    link: bool = False


@dataclass(frozen=True, slots=True)
class SourceAnswer:
    """A 2xx answer: its bytes as received, the headers that paging may need, its record count."""

    request: SourceRequest
    body: bytes
    rows: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Walk:
    """How far the walk through a slice's answers has come.

    `rows`, `first_rows` and `answers` count over the latest answers about the same tags.
    """

    last: SourceAnswer | None = None
    rows: int = 0
    first_rows: int = 0
    answers: int = 0

    def after(self, answer: SourceAnswer) -> "Walk":
        """Step on by one answer."""
        if self.last is None or self.last.request.tags != answer.request.tags:
            return Walk(answer, answer.rows, answer.rows, 1)
        return Walk(answer, self.rows + answer.rows, self.first_rows, self.answers + 1)


def _no_doubt(_answer: SourceAnswer, _options: Any) -> str | None:
    return None


def _no_pages(_slice: SourceSlice, _answer: SourceAnswer, _options: Any) -> int | None:
    return None


@dataclass(frozen=True, slots=True)
class SourcePlugin:
    """Everything that knows one kind of REST source.

    `options` is the model of the plug-in's own settings; every function is given an instance.
    `next_request` answers None when the walk is complete, and raises TruncatedAnswer where what
    came cannot be all. `decode` reads one answer given the tags of its request and raises
    MalformedPayload. `doubt` says why an answer that looks whole may have been cut, so that the
    slice is split. `page_count` reads how many pages the slice has, where pages can be asked for by
    number and the first answer tells, so that each can be a slice of its own.
    """

    name: str
    options: type[BaseModel]
    next_request: Callable[[SourceSlice, Any, Walk], SourceRequest | None]
    decode: Callable[[bytes, Sequence[str], Any], list[SourceRecord]]
    doubt: Callable[[SourceAnswer, Any], str | None] = _no_doubt
    page_count: Callable[[SourceSlice, SourceAnswer, Any], int | None] = _no_pages
