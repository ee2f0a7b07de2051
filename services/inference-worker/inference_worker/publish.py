"""Predictions on their way to the topic: packed together, and durable before anyone is told so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from penstock.channels.predictions import CHANNEL, predictions_message
from penstock.domain.errors import StoreUnavailable
from penstock.domain.ids import PackId
from penstock.domain.predictions import Prediction
from penstock.ledger import PUBLISHED_HOP, Ledger
from penstock.packing import PACK_LIMIT
from penstock.ports import Clock, Publisher, PublishOutcome
from penstock.runtime.batching import Batcher
from penstock.runtime.clock import new_id
from penstock.runtime.telemetry import Metrics
from penstock.runtime.tracing import NO_TRACING, Span, Tracing

_BATCH = 4_000
"""Predictions gathered at most: about as many as four packs, one call of the topic, can hold."""


Traced: TypeAlias = tuple[Prediction, str]
"""A prediction, and the trace context of what led to it."""


@dataclass(frozen=True, slots=True)
class _Pack:
    id: PackId
    body: str
    count: int
    span: Span


class PredictionPublisher:
    """Group commit: predictions of many deliveries share packs and calls."""

    def __init__(
        self,
        topic: Publisher,
        ledger: Ledger,
        clock: Clock,
        metrics: Metrics,
        *,
        linger_seconds: float = 0.02,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        """Keep the topic; `linger_seconds` is what a lone prediction waits for company."""
        self._topic = topic
        self._ledger = ledger
        self._clock = clock
        self._metrics = metrics
        self._tracing = tracing
        self._batcher = Batcher[Traced](
            self._flush, max_items=_BATCH, max_age_seconds=linger_seconds, name="predictions"
        )

    async def publish(self, predictions: Sequence[Traced]) -> None:
        """Wait until all are durable; raise Unavailable where one is not: repeats are harmless."""
        failed = await self._batcher.add(predictions)
        if failed:
            why = next(iter(failed.values()))
            raise StoreUnavailable(f"{len(failed)} predictions were not published: {why}")

    async def _flush(self, predictions: Sequence[Traced]) -> Mapping[int, str]:
        packs = self._packs(predictions)
        outcomes = await self._topic.publish([pack.body for pack in packs])
        failed: dict[int, str] = {}
        position = 0
        for pack, outcome in zip(packs, outcomes, strict=True):
            _end_span(pack, outcome)
            if outcome.error is None:
                await self._ledger.record(pack.id, PUBLISHED_HOP, {"predictions": pack.count})
                self._metrics.count("predictions_published", pack.count)
            else:
                span = range(position, position + pack.count)
                failed.update(dict.fromkeys(span, outcome.error))
            position += pack.count
        return failed

    def _packs(self, predictions: Sequence[Traced]) -> list[_Pack]:
        """Pack in order, halving what is larger than a pack may be."""
        pack_id = PackId(new_id(self._clock))
        # Rows keep the trace ids of their own; the pack goes on with one trace of theirs.
        span = self._tracing.shared_span(
            "publish predictions", (trace for _, trace in predictions), kind="producer"
        )
        message = predictions_message(
            [prediction for prediction, _ in predictions],
            pack_id=pack_id,
            created_at=self._clock.now(),
            trace=span.traceparent,
        )
        body = CHANNEL.encode(message)
        if len(body) <= PACK_LIMIT or len(predictions) == 1:
            return [_Pack(pack_id, body, len(predictions), span)]
        middle = len(predictions) // 2
        return [*self._packs(predictions[:middle]), *self._packs(predictions[middle:])]


def _end_span(pack: _Pack, outcome: PublishOutcome) -> None:
    pack.span.note(
        {
            "messaging.system": "aws_sns",
            "messaging.destination.name": CHANNEL.carrier.name,
            "messaging.message.body.size": len(pack.body),
            "penstock.pack_id": pack.id,
            "penstock.predictions": pack.count,
        }
    )
    if outcome.error is not None:
        pack.span.fail(outcome.error)
    pack.span.end()
