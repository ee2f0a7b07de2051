"""Rows through a served model, in bodies that it takes, within a budget of time."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from penstock.domain.errors import InvalidInput
from penstock.model_type import ModelType
from penstock.ports import ModelHost

_ROWS_PER_CALL = 500


@dataclass(frozen=True, slots=True)
class Served:
    """Where a model answers and how it is asked: a variant where the endpoint has several."""

    endpoint: str
    model_type: ModelType
    variant: str | None = None


async def score(
    models: ModelHost, served: Served, rows: Sequence[Sequence[float]], *, seconds: float
) -> list[float]:
    """Score rows in order until they are all done or the time is up; at least one call is made.

    A row that the model type cannot encode (a forest knows no missing numbers) scores NaN.
    """
    until = time.monotonic() + seconds
    scores: list[float] = []
    while len(scores) < len(rows) and (not scores or time.monotonic() < until):
        batch = rows[len(scores) : len(scores) + _ROWS_PER_CALL]
        scores += await _score_batch(models, served, batch)
    return scores


async def _score_batch(
    models: ModelHost, served: Served, rows: Sequence[Sequence[float]]
) -> list[float]:
    model_type = served.model_type
    usable = [row for row in rows if _is_usable(model_type, row)]
    answers: list[float] = []
    if usable:
        answer = await models.invoke(
            served.endpoint,
            model_type.encode(usable),
            content_type=model_type.content_type,
            accept=model_type.accept,
            variant=served.variant,
        )
        decoded = model_type.decode(answer.body, len(usable))
        answers = [math.nan if one.value is None else one.value for one in decoded]
    given = iter(answers)
    return [next(given) if _is_usable(model_type, row) else math.nan for row in rows]


def _is_usable(model_type: ModelType, row: Sequence[float]) -> bool:
    if not any(math.isnan(number) for number in row):
        return True
    try:
        model_type.encode([row])
    except InvalidInput:
        return False
    return True
