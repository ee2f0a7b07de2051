"""Predictions on their way to the topic: packed together, and durable before anyone is told so."""

from collections.abc import Mapping, Sequence

from penstock.channels.predictions import CHANNEL, predictions_message
from penstock.domain.errors import StoreUnavailable
from penstock.domain.ids import PackId
from penstock.domain.predictions import Prediction
from penstock.ledger import PUBLISHED_HOP, Ledger
from penstock.packing import PACK_LIMIT
from penstock.ports import Clock, Publisher
from penstock.runtime.batching import Batcher
from penstock.runtime.clock import new_id
from penstock.runtime.telemetry import Metrics, child_of

_BATCH = 4_000
"""Predictions gathered at most: about as many as four packs, one call of the topic, can hold."""


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
    ) -> None:
        """Keep the topic; `linger_seconds` is what a lone prediction waits for company."""
        self._topic = topic
        self._ledger = ledger
        self._clock = clock
        self._metrics = metrics
        self._batcher = Batcher[Prediction](
            self._flush, max_items=_BATCH, max_age_seconds=linger_seconds, name="predictions"
        )

    async def publish(self, predictions: Sequence[Prediction]) -> None:
        """Wait until all are durable; raise Unavailable where one is not: repeats are harmless."""
        failed = await self._batcher.add(predictions)
        if failed:
            why = next(iter(failed.values()))
            raise StoreUnavailable(f"{len(failed)} predictions were not published: {why}")

    async def _flush(self, predictions: Sequence[Prediction]) -> Mapping[int, str]:
        packs = self._packs(predictions)
        outcomes = await self._topic.publish([body for _, body, _ in packs])
        failed: dict[int, str] = {}
        position = 0
        for (pack_id, _, count), outcome in zip(packs, outcomes, strict=True):
            if outcome.error is None:
                await self._ledger.record(pack_id, PUBLISHED_HOP, {"predictions": count})
                self._metrics.count("predictions_published", count)
            else:
                failed.update(dict.fromkeys(range(position, position + count), outcome.error))
            position += count
        return failed

    def _packs(self, predictions: Sequence[Prediction]) -> list[tuple[PackId, str, int]]:
        """Pack in order, halving what is larger than a pack may be."""
        pack_id = PackId(new_id(self._clock))
        message = predictions_message(
            predictions,
            pack_id=pack_id,
            created_at=self._clock.now(),
            trace=child_of(""),
        )
        body = CHANNEL.encode(message)
        if len(body) <= PACK_LIMIT or len(predictions) == 1:
            return [(pack_id, body, len(predictions))]
        middle = len(predictions) // 2
        return [*self._packs(predictions[:middle]), *self._packs(predictions[middle:])]
