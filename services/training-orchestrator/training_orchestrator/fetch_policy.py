"""What to do with a slice that could not be fetched, decided purely.

Asking again, asking for less, waiting and giving up each have their time: a source that says wait
is obeyed without counting, an answer that is too large or never ends is asked for in halves, and
what no repetition can heal fails at once with a sentence for people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from penstock.domain.datasets import Slice, child_id
from penstock.domain.errors import InvalidInput, MalformedPayload, NotFound, PenstockError
from penstock.domain.time import HOUR, MINUTE, Micros, format_duration, from_micros
from penstock.source import AnswerTooLarge, SourceTimedOut

_SHOWN = 300


class RefusedAnswer(InvalidInput):
    """The source answered with something else than a 2xx."""

    def __init__(self, url: str, status: int, headers: Mapping[str, str], detail: str) -> None:
        """Keep what the source said."""
        shown = url if len(url) <= _SHOWN else f"{url[:_SHOWN]}..."
        super().__init__(f"{shown} answered {status}{': ' + detail if detail else ''}")
        self.status = status
        self.headers = headers


class DoubtfulAnswer(InvalidInput):
    """An answer looks whole, yet may have been cut by a limit that the source does not tell."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Ask again after a pause; this was an attempt."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Nobody asks this source before; this was no attempt."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Halve:
    """Ask for less at once."""

    children: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class Accept:
    """Take the answer as it is: it cannot be told apart from a whole one."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Give the slice up."""

    reason: str


Action = Retry | Wait | Halve | Accept | Fail


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """How patient the fetchers are.

    A slice that hangs is halved fewer times than one that is too large: a source that always hangs
    must fail soon, where size ends by itself.
    """

    attempts: int = 6
    first_pause_seconds: float = 5.0
    longest_pause_seconds: float = 120.0
    min_window: Micros = MINUTE
    size_halvings: int = 12
    hang_halvings: int = 3
    longest_wait: Micros = Micros(6 * HOUR)

    def judge(
        self, trouble: PenstockError, piece: Slice, *, attempts: int, waited: Micros, now: Micros
    ) -> Action:
        """Decide; `attempts` counts this one, `waited` is how long the source has said wait."""
        match trouble:
            case DoubtfulAnswer():
                return self._halve(piece, self.size_halvings) or Accept()
            case AnswerTooLarge():
                return self._halve(piece, self.size_halvings) or Fail(_too_large(trouble, piece))
            case RefusedAnswer():
                return self._judge_status(trouble, piece, attempts, waited, now)
            case SourceTimedOut():
                halved = self._halve(piece, self.hang_halvings) if attempts > 1 else None
                return halved or self._again(trouble, attempts)
            case MalformedPayload():
                halved = self._halve(piece, self.hang_halvings) if attempts > 2 else None
                return halved or self._again(trouble, attempts)
            case InvalidInput() | NotFound():
                return Fail(str(trouble))
            case _:
                return self._again(trouble, attempts)

    def _judge_status(
        self, refused: RefusedAnswer, piece: Slice, attempts: int, waited: Micros, now: Micros
    ) -> Action:
        match refused.status:
            case 429 | 503:
                if waited > self.longest_wait:
                    told = format_duration(self.longest_wait)
                    return Fail(f"{refused}; it has said so for more than {told}")
                return Wait(self._wait_seconds(refused.headers, waited, now))
            case 413 | 414 | 431:
                return self._halve(piece, self.size_halvings) or Fail(_too_large(refused, piece))
            case 408 | 504:
                halved = self._halve(piece, self.hang_halvings) if attempts > 1 else None
                return halved or self._again(refused, attempts)
            case status if status >= 500 or status == 425:
                return self._again(refused, attempts)
            case status:
                return Fail(f"{refused}; {_ADVICE.get(status, _OTHER_ADVICE)}")

    def _again(self, trouble: PenstockError, attempts: int) -> Action:
        if attempts >= self.attempts:
            return Fail(f"{trouble} (given up after {attempts} attempts)")
        return Retry(
            min(self.first_pause_seconds * 2 ** (attempts - 1), self.longest_pause_seconds)
        )

    def _wait_seconds(self, headers: Mapping[str, str], waited: Micros, now: Micros) -> float:
        told = retry_after(headers.get("retry-after", ""), now)
        if told is None:  # wait about as long again as so far
            told = max(5.0, waited / 1e6)
        return min(max(told, 1.0), self.longest_wait / 1e6)

    def _halve(self, piece: Slice, halvings: int) -> Halve | None:
        """Halves by time down to the shortest window, then by tags; None where it is too often."""
        if piece.slice_id.count(".") >= halvings:
            return None
        if piece.page is None and piece.until - piece.since >= 2 * self.min_window:
            return Halve(piece.halves())
        if piece.page is not None or len(piece.tags) < 2:
            return None
        middle = len(piece.tags) // 2
        parts = (piece.tags[:middle], piece.tags[middle:])
        return Halve(
            tuple(
                Slice(child_id(piece.slice_id, n), piece.since, piece.until, tags, None,
                      piece.page_size)
                for n, tags in enumerate(parts, start=1)
            )
        )  # fmt: skip


_ADVICE: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "put a valid credential into the source's secret",
    HTTPStatus.FORBIDDEN: "the credential may not read these tags: ask for the right, "
    "or take them out of the dataset",
    HTTPStatus.NOT_FOUND: "check base_url and path of the source, and that the tags exist",
}
_OTHER_ADVICE = "the source does not take this request: check its options"


def _too_large(trouble: PenstockError, piece: Slice) -> str:
    if piece.page is not None:
        return f"{trouble}; lower dataset.slicing.page_size or raise the source's limit"
    return f"{trouble}; even the shortest window of one tag is too large for this source"


def retry_after(header: str, now: Micros) -> float | None:
    """Seconds that a Retry-After asks for, by count or by date; None where it says nothing."""
    text = header.strip()
    if text.isdecimal():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - from_micros(now)).total_seconds())
