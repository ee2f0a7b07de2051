"""Packs of predictions into one sink: written, dead-lettered one by one, entered in the ledger."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from penstock.channels.predictions import (
    CHANNEL,
    PREDICTIONS,
    PredictionsMessage,
    predictions_message,
    predictions_of,
)
from penstock.domain.errors import MalformedPayload
from penstock.domain.ids import PackId
from penstock.domain.predictions import Prediction
from penstock.gathering import gather_all
from penstock.ledger import Ledger
from penstock.ports import Sink, WriteReport
from penstock.runtime.telemetry import Metrics
from penstock.runtime.tracing import current_span

from results_writer.dead_letter_limit import DeadLetterLimit

log = structlog.get_logger()

_AT_ONCE = 16
_PROBE = PackId("probe")

WRITTEN, SUPERSEDED, DEAD = "written", "superseded", "dead"


class DeadLetterQueue(Protocol):
    """Where what was given up is kept for people."""

    async def dead_letter(self, body: str, *, reason: str) -> None:
        """Keep one body with its reason; raise Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class _Batch:
    """Opened packs: the predictions in a row, and where each of them came from."""

    unreadable: dict[int, str] = field(default_factory=dict)
    packs: dict[str, PredictionsMessage] = field(default_factory=dict)
    predictions: list[Prediction] = field(default_factory=list)
    origins: list[tuple[str, int]] = field(default_factory=list)


class SinkWriter:
    """Writes packs into a sink and says in the ledger what became of every prediction."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        *,
        ledger: Ledger,
        dead_letters: DeadLetterQueue,
        limit: DeadLetterLimit,
        metrics: Metrics,
    ) -> None:
        """Wire it; the sink's name is its hop in the ledger."""
        self._name = name
        self._sink = sink
        self._ledger = ledger
        self._dead_letters = dead_letters
        self._limit = limit
        self._metrics = metrics

    async def ping(self) -> None:
        """Prove that everything answers that a batch needs."""
        self._limit.check()
        await self._sink.ping()
        await self._ledger.has(_PROBE, self._name)

    async def write(self, messages: Sequence[PredictionsMessage]) -> Mapping[int, str]:
        """Make every prediction durable, in the sink or among the dead letters; then tell."""
        self._limit.check()
        batch = await _open(messages)
        started = time.monotonic()
        report = await self._sink.write(batch.predictions)
        seconds = time.monotonic() - started
        self._limit.admit(len(batch.predictions), dead=len(report.failed))
        burials = [self._bury(batch, n, why) for n, why in report.failed.items()]
        await gather_all(burials, at_once=_AT_ONCE)
        counts = _counts_by_pack(batch, report)
        entries = [self._ledger.record(PackId(p), self._name, c) for p, c in counts.items()]
        await gather_all(entries, at_once=_AT_ONCE)
        self._tell(len(batch.predictions), report, seconds)
        current_span().note({"penstock.rows": len(batch.predictions)})
        return batch.unreadable

    async def _bury(self, batch: _Batch, position: int, reason: str) -> None:
        # Under an id of its own: redriven, it must not take its pack's place in the ledger.
        pack_id, place = batch.origins[position]
        pack = batch.packs[pack_id]
        alone = predictions_message(
            [batch.predictions[position]],
            pack_id=f"{pack_id}.{place}",
            created_at=pack.created_at,
            trace=pack.trace,
        )
        await self._dead_letters.dead_letter(CHANNEL.encode(alone), reason=reason)
        log.warning("prediction.dead_lettered", sink=self._name, pack_id=pack_id, reason=reason)

    def _tell(self, total: int, report: WriteReport, seconds: float) -> None:
        dead, superseded = len(report.failed), len(report.superseded)
        outcomes = {WRITTEN: total - dead - superseded, SUPERSEDED: superseded, DEAD: dead}
        for outcome, count in outcomes.items():
            self._metrics.count("sink_rows", count, sink=self._name, outcome=outcome)
        self._metrics.count("sink_batches", sink=self._name)
        self._metrics.observe("sink_flush_seconds", seconds, sink=self._name)
        log.info("batch.written", sink=self._name, rows=total, dead=dead, superseded=superseded,
                 duration_ms=round(seconds * 1000, 1))  # fmt: skip


async def _open(messages: Sequence[PredictionsMessage]) -> _Batch:
    batch = _Batch()
    for position, message in enumerate(messages):
        if message.id in batch.packs:
            continue  # the same pack, delivered twice
        try:
            predictions = _predictions(message)
        except MalformedPayload as error:
            batch.unreadable[position] = str(error)
            continue
        batch.packs[message.id] = message
        batch.origins.extend((message.id, place) for place in range(len(predictions)))
        batch.predictions.extend(predictions)
        await asyncio.sleep(0)  # others get a turn between packs
    return batch


def _predictions(message: PredictionsMessage) -> list[Prediction]:
    if message.kind != PREDICTIONS:
        raise MalformedPayload(f"pack {message.id}: sinks know no kind {message.kind!r}")
    try:
        return list(predictions_of(message))
    except (IndexError, ValueError) as error:
        raise MalformedPayload(f"pack {message.id}: its columns do not fit: {error}") from error


def _counts_by_pack(batch: _Batch, report: WriteReport) -> dict[str, Counter[str]]:
    counts = {pack: Counter({WRITTEN: 0, SUPERSEDED: 0, DEAD: 0}) for pack in batch.packs}
    for position, (pack, _) in enumerate(batch.origins):
        dead, superseded = position in report.failed, position in report.superseded
        counts[pack][DEAD if dead else SUPERSEDED if superseded else WRITTEN] += 1
    return counts
