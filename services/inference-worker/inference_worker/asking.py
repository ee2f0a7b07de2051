"""One batch of rows and what an endpoint says of each: retries, and bisecting of refusals."""

import asyncio
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from penstock.channels.deferred import FrameRow
from penstock.domain.errors import (
    EndpointUnavailable,
    InvalidInput,
    MalformedPayload,
    Throttled,
    Unavailable,
    UnknownEndpoint,
)
from penstock.domain.time import Micros
from penstock.model_type import Answer, ModelType
from penstock.ports import Clock, InvokeAnswer, ModelHost
from penstock.runtime.tracing import NO_TRACING, Span, Tracing

from inference_worker.bound import Target
from inference_worker.gate import Gate
from inference_worker.rows import features_of, prediction_id_of


@dataclass(frozen=True, slots=True)
class Answered:
    """The model answered a row."""

    answer: Answer
    variant: str
    at: Micros


@dataclass(frozen=True, slots=True)
class Deferred:
    """The endpoint could not answer a row now.

    `is_refusal` where a row beside it may be the cause: it should be sent in smaller company.
    """

    reason: str
    is_refusal: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A row can never be answered: people should see it, with the reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A model of this type cannot be asked about such a frame."""

    reason: str


Outcome: TypeAlias = Answered | Deferred | Refused | Skipped


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """How long one call is tried again before its rows are deferred."""

    tries: int = 3
    budget_seconds: float = 5.0
    first_delay_seconds: float = 0.1
    call_seconds: float = 75.0


class Asker:
    """Asks one target; its gate hears of every answer."""

    def __init__(
        self,
        target: Target,
        model_type: ModelType,
        host: ModelHost,
        gate: Gate,
        clock: Clock,
        *,
        retries: RetryLimits,
        jitter: random.Random,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        """Keep what a call needs."""
        self._target = target
        self._type = model_type
        self._host = host
        self._gate = gate
        self._clock = clock
        self._retries = retries
        self._jitter = jitter
        self._tracing = tracing

    async def ask(self, rows: Sequence[FrameRow]) -> list[Outcome]:
        """Tell of each row what became of it, in their order."""
        outcomes: list[Outcome | None] = [self._unaskable(row) for row in rows]
        askable = [position for position, told in enumerate(outcomes) if told is None]
        told = await self._ask([rows[position] for position in askable])
        for position, outcome in zip(askable, told, strict=True):
            outcomes[position] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _unaskable(self, row: FrameRow) -> Skipped | None:
        # Only a missing feature can make a type refuse to write a row.
        if not row.features_missing:
            return None
        try:
            self._type.encode([features_of(row)])
        except InvalidInput as error:
            return Skipped(str(error))
        return None

    async def _ask(self, rows: Sequence[FrameRow]) -> list[Outcome]:
        """Ask for all, and halve what is refused until the bad rows stand alone."""
        outcomes: list[Outcome | None] = [None] * len(rows)
        calls_left = 4 * max(1, math.ceil(math.log2(len(rows)))) if len(rows) > 1 else 1
        segments = [(0, len(rows))] if rows else []
        while segments:
            if not calls_left:
                self._gate.broke(fewer_rows=True)
                return _deferred(outcomes, "the endpoint refused too many rows of one call")
            calls_left -= 1
            start, end = segments.pop()
            try:
                outcomes[start:end] = await self._answers(rows[start:end])
            except UnknownEndpoint as error:
                return [told or Refused(f"UnknownEndpoint: {error}") for told in outcomes]
            except InvalidInput as error:
                middle = (start + end) // 2
                if end - start > 1:
                    segments += [(middle, end), (start, middle)]
                else:
                    outcomes[start] = Refused(f"{type(error).__name__}: {error}")
            except Unavailable as error:
                return [told or Deferred(f"{type(error).__name__}: {error}") for told in outcomes]
        return self._judged([told for told in outcomes if told is not None])

    def _judged(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Believe refusals of single rows, unless the endpoint refuses all that it is given."""
        refused = sum(isinstance(told, Refused) for told in outcomes)
        if refused and self._gate.refused(refused):
            return _deferred(outcomes, "the endpoint refuses every row")
        return outcomes

    async def _answers(self, rows: Sequence[FrameRow]) -> list[Outcome | None]:
        deadline = time.monotonic() + self._retries.budget_seconds
        delay = self._retries.first_delay_seconds
        for tries_left in range(self._retries.tries - 1, -1, -1):
            try:
                return await self._call(rows)
            except Unavailable as error:
                if isinstance(error, Throttled):
                    self._gate.throttled()
                else:
                    self._gate.failed()
                delay *= self._jitter.uniform(0.5, 1.5)
                is_last = not tries_left or self._gate.is_open
                if is_last or time.monotonic() + delay > deadline:
                    raise
            await asyncio.sleep(delay)
            delay *= 3
        raise AssertionError("the last try raises")

    async def _call(self, rows: Sequence[FrameRow]) -> list[Outcome | None]:
        with self._tracing.shared_span(
            f"ask {self._target.endpoint}",
            (row.trace for row in rows),
            kind="client",
            attributes={"penstock.endpoint": self._target.endpoint, "penstock.rows": len(rows)},
        ) as span:
            return await self._answered(rows, span)

    async def _answered(self, rows: Sequence[FrameRow], span: Span) -> list[Outcome | None]:
        try:
            async with asyncio.timeout(self._retries.call_seconds):
                answer = await self._invoke(rows)
            span.note({"penstock.variant": answer.variant})
            answers = self._type.decode(answer.body, len(rows))
        except TimeoutError as error:
            raise EndpointUnavailable(f"no answer in {self._retries.call_seconds:g} s") from error
        except MalformedPayload as error:
            raise EndpointUnavailable(f"answered garbage: {error}") from error
        self._gate.succeeded()
        now = self._clock.now()
        return [Answered(one, answer.variant, now) for one in answers]

    async def _invoke(self, rows: Sequence[FrameRow]) -> InvokeAnswer:
        return await self._host.invoke(
            self._target.endpoint,
            self._type.encode([features_of(row) for row in rows]),
            content_type=self._type.content_type,
            accept=self._type.accept,
            variant=self._target.variant or None,
            inference_id=prediction_id_of(rows[0]) if len(rows) == 1 else None,
        )


def _deferred(outcomes: Sequence[Outcome | None], reason: str) -> list[Outcome]:
    """Nothing is given up for an endpoint that is broken; what was answered stays answered."""
    return [
        told if isinstance(told, Answered | Skipped) else Deferred(reason, is_refusal=True)
        for told in outcomes
    ]
