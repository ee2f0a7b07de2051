"""One delivery of readings: to frames, to predictions, to an entry in the ledger."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping

from penstock.channels.corrections import CHANNEL as CORRECTIONS
from penstock.channels.corrections import VERSION, CorrectionMessage
from penstock.channels.readings import CHANNEL as READINGS
from penstock.channels.readings import READINGS as KIND_READINGS
from penstock.channels.readings import ReadingColumns, reading_columns
from penstock.domain.errors import StoreUnavailable
from penstock.domain.ids import PackId
from penstock.ledger import INFERENCE_HOP, Ledger
from penstock.ports import Clock, Delivery, Publisher
from penstock.runtime.clock import new_id
from penstock.runtime.telemetry import Metrics
from penstock.runtime.tracing import Attributes, current_span

from inference_worker.arrivals import Fate
from inference_worker.asset_lanes import AssetLanes, Taken
from inference_worker.bound import BoundAsset
from inference_worker.context import Snapshot
from inference_worker.plan import Plan
from inference_worker.settle import FrameEnd, Settle
from inference_worker.sorting import sequence_rows, sort_readings

_COUNT_OF: Mapping[Fate, str] = {
    Fate.UNBOUND: "unbound",
    Fate.STATE_ONLY: "state_only",
    Fate.LATE: "late",
    Fate.WARMING_UP: "warming_up",
    Fate.CORRECTIONS: "corrections",
    Fate.FRAMED: "framed",
}


class ReadingsHandler:
    """Handles deliveries of queue `inference`; returning means that all is durable."""

    def __init__(
        self,
        *,
        snapshot: Callable[[], Snapshot],
        lanes: AssetLanes,
        settle: Settle,
        ledger: Ledger,
        metrics: Metrics,
    ) -> None:
        """Keep the parts."""
        self._snapshot = snapshot
        self._lanes = lanes
        self._settle = settle
        self._ledger = ledger
        self._metrics = metrics

    async def handle(self, delivery: Delivery) -> None:
        """Bring every reading of a pack to its end; rejects are the archive's matter alone."""
        message = READINGS.decode(delivery.body)
        if message.kind != KIND_READINGS:
            return
        columns = reading_columns(message)
        snapshot = self._snapshot()
        pack_id = PackId(message.id)
        trace = current_span().trace or message.trace
        making = current_span().child("make frames")
        found = sort_readings(snapshot, columns, pack_id=pack_id, trace=trace)
        sequences = sequence_rows(snapshot.models, columns, trace=trace)
        taken = await asyncio.gather(
            *(self._lanes.take(bound, arrivals) for bound, arrivals in found.arrivals.values())
        )
        if making.is_recorded:
            making.note(_described(columns, taken))
            making.end(max([one.planned_at for one in taken], default=time.time_ns()))
        ends = await self._settle(sequences)
        counts = _counts(pack_id, taken, ends)
        counts["unbound"] += found.unbound
        counts["framed"] += len(sequences)
        counts["accepted"] = len(columns.tag) + len(sequences)
        for fate in _COUNT_OF.values():
            self._metrics.count("readings", counts[fate], fate=fate)
        await self._ledger.record(pack_id, INFERENCE_HOP, counts)


def _described(columns: ReadingColumns, taken: list[Taken]) -> Attributes:
    return {
        "penstock.readings": len(columns.tag),
        "penstock.sequences": len(columns.sequences),
        "penstock.assets": len(taken),
        "penstock.frames": sum(len(one.plan.rows) for one in taken),
        "penstock.corrections": sum(len(one.plan.ranges) for one in taken),
    }


def _counts(pack_id: PackId, taken: list[Taken], sequence_ends: list[FrameEnd]) -> Counter[str]:
    counts: Counter[str] = Counter(dict.fromkeys((*_COUNT_OF.values(), "dead"), 0))
    ends = Counter(sequence_ends)
    for one in taken:
        for fate, count in one.plan.fates[pack_id].items():
            counts[_COUNT_OF[fate]] += count
        for pack, end in zip(one.plan.packs, one.ends, strict=True):
            ends[end] += pack == pack_id
    counts.update({f"frames_{end}": count for end, count in ends.items()})
    return counts


class PlanFinisher:
    """Makes durable what a plan leads to: its frames settled, its corrections sent."""

    def __init__(
        self, settle: Settle, corrections: Publisher, clock: Clock, metrics: Metrics
    ) -> None:
        """Keep the ways out."""
        self._settle = settle
        self._corrections = corrections
        self._clock = clock
        self._metrics = metrics

    async def finish(self, bound: BoundAsset, plan: Plan, trace: str) -> list[FrameEnd]:
        """Send and settle; raise Unavailable where anything could not be made durable."""
        await self._send_corrections(bound, plan, trace)
        if plan.skipped:
            self._metrics.count("frames_skipped", plan.skipped)
        return await self._settle(plan.rows)

    async def _send_corrections(self, bound: BoundAsset, plan: Plan, trace: str) -> None:
        if not plan.ranges:
            return
        packs = list(dict.fromkeys([*plan.state.packs, *plan.fates]))
        bodies = [
            CORRECTIONS.encode(
                CorrectionMessage(
                    version=VERSION,
                    id=new_id(self._clock),
                    created_at=self._clock.now(),
                    trace=trace,
                    asset=bound.asset.name,
                    since=range_.since,
                    until=range_.until,
                    packs=list(packs),
                    reason="readings came late or again",
                    revision=plan.state.version,
                )
            )
            for range_ in plan.ranges
        ]
        self._metrics.count("corrections_sent", len(bodies))
        for outcome in await self._corrections.publish(bodies):
            if not outcome.is_durable:
                raise StoreUnavailable(f"a correction was not taken: {outcome.error}")
