"""Packs of predictions into one sink: written, dead-lettered one by one, entered in the ledger."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from penstock.channels.predictions import (
    CHANNEL,
    PREDICTIONS,
    PredictionPack,
    PredictionsMessage,
    predictions_message,
    predictions_of,
)
from penstock.domain.errors import MalformedPayload
from penstock.domain.ids import PackId
from penstock.gathering import gather_all
from penstock.ledger import Ledger
from penstock.ports import Sink, WriteReport
from penstock.runtime.dead_letter_limit import DeadLetterLimit
from penstock.runtime.telemetry import Metrics
from penstock.runtime.tracing import current_span

from results_writer.batch import Batch

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
class _Opened:
    """Opened messages: the predictions in a row, the messages by pack, what could not be read."""

    predictions: Batch
    messages: Mapping[str, PredictionsMessage]
    unreadable: Mapping[int, str]


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
        opened = await _open(messages)
        batch = opened.predictions
        started = time.monotonic()
        report = await self._sink.write(batch)
        seconds = time.monotonic() - started
        self._limit.admit(len(batch), dead=len(report.failed))
        burials = [self._bury(opened, n, why) for n, why in report.failed.items()]
        await gather_all(burials, at_once=_AT_ONCE)
        counts = _counts_by_pack(batch, report)
        entries = [self._ledger.record(p, self._name, c) for p, c in counts.items()]
        await gather_all(entries, at_once=_AT_ONCE)
        self._tell(len(batch), report, seconds)
        current_span().note({"penstock.rows": len(batch)})
        return opened.unreadable

    async def _bury(self, opened: _Opened, position: int, reason: str) -> None:
        # Under an id of its own: redriven, it must not take its pack's place in the ledger.
        pack, place = opened.predictions.place_of(position)
        message = opened.messages[pack.id]
        alone = predictions_message(
            [pack[place]],
            pack_id=f"{pack.id}.{place}",
            created_at=message.created_at,
            trace=message.trace,
        )
        await self._dead_letters.dead_letter(CHANNEL.encode(alone), reason=reason)
        log.warning("prediction.dead_lettered", sink=self._name, pack_id=pack.id, reason=reason)

    def _tell(self, total: int, report: WriteReport, seconds: float) -> None:
        dead, superseded = len(report.failed), len(report.superseded)
        outcomes = {WRITTEN: total - dead - superseded, SUPERSEDED: superseded, DEAD: dead}
        for outcome, count in outcomes.items():
            self._metrics.count("sink_rows", count, sink=self._name, outcome=outcome)
        self._metrics.count("sink_batches", sink=self._name)
        self._metrics.observe("sink_flush_seconds", seconds, sink=self._name)
        log.info("batch.written", sink=self._name, rows=total, dead=dead, superseded=superseded,
                 duration_ms=round(seconds * 1000, 1))  # fmt: skip


async def _open(messages: Sequence[PredictionsMessage]) -> _Opened:
    packs: dict[str, PredictionPack] = {}
    unreadable: dict[int, str] = {}
    for position, message in enumerate(messages):
        if message.id in packs:
            continue  # the same pack, delivered twice
        try:
            packs[message.id] = _pack(message)
        except MalformedPayload as error:
            unreadable[position] = str(error)
        await asyncio.sleep(0)  # others get a turn between packs
    by_id = {message.id: message for message in messages}
    return _Opened(Batch(list(packs.values())), by_id, unreadable)


def _pack(message: PredictionsMessage) -> PredictionPack:
    if message.kind != PREDICTIONS:
        raise MalformedPayload(f"pack {message.id}: sinks know no kind {message.kind!r}")
    return predictions_of(message)


def _counts_by_pack(batch: Batch, report: WriteReport) -> dict[PackId, Counter[str]]:
    counts = {p.id: Counter({WRITTEN: len(p), SUPERSEDED: 0, DEAD: 0}) for p in batch.packs}
    superseded = report.superseded - report.failed.keys()
    for outcome, positions in ((DEAD, report.failed), (SUPERSEDED, superseded)):
        for position in positions:
            pack, _ = batch.place_of(position)
            counts[pack.id].update({outcome: 1, WRITTEN: -1})
    return counts
