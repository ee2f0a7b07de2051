"""Finished frames to their end: answered and published, deferred, or kept for people."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

from penstock.channels.deferred import FrameRow
from penstock.domain.predictions import Prediction
from penstock.model_type import ModelType
from penstock.runtime.telemetry import Metrics

from inference_worker.asking import Answered, Deferred, Outcome, Refused, Skipped
from inference_worker.bulkhead import Lane
from inference_worker.context import Models
from inference_worker.deferring import Deferring, Redriven
from inference_worker.predictor import Predictor
from inference_worker.publish import PredictionPublisher
from inference_worker.rows import prediction_of

FrameEnd: TypeAlias = Literal["predicted", "deferred", "dead", "skipped"]
"""What became of a frame; the ledger counts each."""

_END_OF: Mapping[type[Outcome], FrameEnd] = {
    Answered: "predicted",
    Deferred: "deferred",
    Refused: "dead",
    Skipped: "skipped",
}
_LIVE = Redriven()


class Settle(Protocol):
    """Brings rows to their ends, and tells the end of each."""

    async def __call__(
        self, rows: Sequence[FrameRow], *, lane: Lane = "live", redriven: Redriven = _LIVE
    ) -> list[FrameEnd]:
        """Settle every row; raise Unavailable where one could not be made durable anywhere."""
        ...


class Settling:
    """Asks, and brings every row where it belongs; returns when all of it is durable."""

    def __init__(
        self,
        *,
        predictor: Predictor,
        publisher: PredictionPublisher,
        deferring: Deferring,
        model_types: Mapping[str, ModelType],
        models: Callable[[], Models],
        metrics: Metrics,
    ) -> None:
        """Keep the ways out."""
        self._predictor = predictor
        self._publisher = publisher
        self._deferring = deferring
        self._model_types = model_types
        self._models = models
        self._metrics = metrics

    async def settle(
        self, rows: Sequence[FrameRow], *, lane: Lane = "live", redriven: Redriven = _LIVE
    ) -> list[FrameEnd]:
        """Settle every row, and tell the end of each.

        Raise Unavailable where one could not be made durable anywhere.
        """
        if not rows:
            return []
        models = self._models()
        outcomes = await self._predictor.predict(rows, models, lane=lane)
        await self._publisher.publish(
            [
                (self._prediction(row, outcome, models), row.trace)
                for row, outcome in zip(rows, outcomes, strict=True)
                if isinstance(outcome, Answered)
            ]
        )
        ends: list[FrameEnd] = [_END_OF[type(outcome)] for outcome in outcomes]
        await self._defer(rows, outcomes, redriven, ends)
        await self._give_up(rows, outcomes)
        if skipped := ends.count("skipped"):
            self._metrics.count("frames_skipped", skipped)
        return ends

    async def _defer(
        self,
        rows: Sequence[FrameRow],
        outcomes: Sequence[Outcome],
        redriven: Redriven,
        ends: list[FrameEnd],
    ) -> None:
        waiting = [
            (position, outcome)
            for position, outcome in enumerate(outcomes)
            if isinstance(outcome, Deferred)
        ]
        does_wait = await self._deferring.defer([(rows[p], why) for p, why in waiting], redriven)
        for (position, _), waits in zip(waiting, does_wait, strict=True):
            ends[position] = "deferred" if waits else "dead"

    def _prediction(self, row: FrameRow, answered: Answered, models: Models) -> Prediction:
        version = models.versions[row.model, row.model_version]
        return prediction_of(
            row,
            answered.answer,
            kind=self._model_types[version.algorithm].kind,
            variant=answered.variant,
            is_known_version=(row.model, answered.variant) in models.versions,
            predicted_at=answered.at,
        )

    async def _give_up(self, rows: Sequence[FrameRow], outcomes: Sequence[Outcome]) -> None:
        by_reason: dict[str, list[FrameRow]] = {}
        for row, outcome in zip(rows, outcomes, strict=True):
            if isinstance(outcome, Refused):
                by_reason.setdefault(outcome.reason, []).append(row)
        for reason, refused in by_reason.items():
            await self._deferring.give_up(refused, reason)
