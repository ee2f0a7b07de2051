"""How an invocation is understood and answered: content types, sizes, refusals. No network here.

The statuses are those of AWS's open-source XGBoost container: 204 for an empty body, 406 for an
answer that can't be given, 413 for too many bytes, 415 for an unknown content type and for bytes
that are not what their content type says, 400 for rows of the wrong width.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from penstock_algorithms.errors import RefusedError, UnreadableDataError

Rows = TypeVar("Rows")
Scores = TypeVar("Scores")

DEFAULT_CONTENT_TYPE = "text/csv"


@dataclass(frozen=True, slots=True)
class Predictor(Generic[Rows, Scores]):
    """A loaded model: readers by content type, the model itself, writers by accepted type.

    The first writer is the default. `predict` raises RefusedError for rows it can't take.
    """

    readers: Mapping[str, Callable[[bytes], Rows]]
    predict: Callable[[Rows], Scores]
    writers: Mapping[str, Callable[[Scores], bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


def answer_invocation(
    predictor: Predictor[Rows, Scores],
    body: bytes,
    *,
    content_type: str | None,
    accept: str | None,
) -> Answer:
    """Answer one POST /invocations; an error that is not the caller's passes through."""
    try:
        if not body.strip():
            return Answer(204, b"")
        read = _choose_reader(predictor, content_type)
        accepted = choose_accepted(predictor, accept)
        try:
            rows = read(body)
        except UnreadableDataError as error:
            raise RefusedError(
                415, f"the body is not {media_type(content_type)}: {error}"
            ) from error
        scores = predictor.predict(rows)
        return Answer(200, predictor.writers[accepted](scores), accepted)
    except RefusedError as refused:
        return Answer(refused.status, refused.reason.encode())


def media_type(header: str | None) -> str:
    """Return the media type of a Content-Type, without its parameters."""
    return (header or DEFAULT_CONTENT_TYPE).partition(";")[0].strip().lower()


def _choose_reader(
    predictor: Predictor[Rows, Scores], content_type: str | None
) -> Callable[[bytes], Rows]:
    try:
        return predictor.readers[media_type(content_type)]
    except KeyError:
        known = ", ".join(predictor.readers)
        raise RefusedError(415, f"content type {content_type} is not one of {known}") from None


def choose_accepted(predictor: Predictor[Rows, Scores], accept: str | None) -> str:
    """Return the first type of `accept` that can be written; absent or */* means the default."""
    default = next(iter(predictor.writers))
    for part in (accept or "*/*").split(","):
        wanted = part.partition(";")[0].strip().lower()
        if wanted in predictor.writers:
            return wanted
        if wanted in ("*/*", ""):
            return default
    raise RefusedError(406, f"accept {accept} is none of {', '.join(predictor.writers)}")
