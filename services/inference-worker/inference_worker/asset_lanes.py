"""Readings of an asset into its state, one batch at a time; what piles up meanwhile goes together.

Within a process that spares conflicts and writes; between processes the state's version decides.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from penstock.domain.errors import StoreUnavailable, VersionConflict
from penstock.domain.ids import AssetName, PackId
from penstock.runtime.telemetry import Metrics

from inference_worker.archived_packs import ArchivedPacks
from inference_worker.arrivals import Arrival
from inference_worker.bound import BoundAsset
from inference_worker.plan import Plan, plan
from inference_worker.settle import FrameEnd
from inference_worker.state import PACKS_AT_MOST, AssetState
from inference_worker.state_store import StateStore

Finish = Callable[[BoundAsset, Plan, str], Awaitable[list[FrameEnd]]]
"""Makes durable what a plan leads to, after the state is written; tells the end of each row.

The text is the trace of the first arrival.
"""

_CONFLICTS_AT_MOST = 12


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch of arrivals, of which several packs may have had a part."""

    plan: Plan
    ends: list[FrameEnd]
    planned_at: int
    """When the state was written and the frames were known, in nanoseconds of the epoch."""


class _Batch:
    def __init__(self, bound: BoundAsset) -> None:
        self.bound = bound
        self.arrivals: list[Arrival] = []
        self.packs: set[PackId] = set()
        self.task: asyncio.Task[Taken] | None = None


class _Lane:
    def __init__(self) -> None:
        self.gathering: _Batch | None = None
        self.merging = asyncio.Lock()


class AssetLanes:
    """Serialises the work on each asset's state within this process."""

    def __init__(
        self,
        states: StateStore,
        archived: ArchivedPacks,
        finish: Finish,
        metrics: Metrics,
        *,
        concurrency: int = 32,
        jitter: random.Random | None = None,
    ) -> None:
        """Keep the states; `concurrency` bounds the assets that are merged at a time."""
        self._states = states
        self._archived = archived
        self._finish = finish
        self._metrics = metrics
        self._slots = asyncio.Semaphore(concurrency)
        self._jitter = jitter or random.Random()  # noqa: S311 -- spreads retries, keeps no secret
        self._lanes: dict[AssetName, _Lane] = {}

    def take(self, bound: BoundAsset, arrivals: Sequence[Arrival]) -> Awaitable[Taken]:
        """Merge the arrivals of one pack; answers once all that they lead to is durable."""
        lane = self._lanes.setdefault(bound.asset.name, _Lane())
        batch = lane.gathering
        if batch is None or batch.task is None:
            batch = lane.gathering = _Batch(bound)
            batch.task = asyncio.create_task(
                self._run(lane, batch), name=f"asset.{bound.asset.name}"
            )
            # Every caller may be gone when it fails: then nobody else looks at the error.
            batch.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        batch.bound = bound
        if arrivals[0].pack_id not in batch.packs:  # else the broker gave us one pack twice
            batch.packs.add(arrivals[0].pack_id)
            batch.arrivals += arrivals
        # Shielded: a caller that gives up must not take the others' batch with it.
        return asyncio.shield(batch.task)

    async def _run(self, lane: _Lane, batch: _Batch) -> Taken:
        try:
            async with lane.merging, self._slots:
                # From here on arrivals go to the next batch.
                lane.gathering = None
                planned = await self._merge(batch)
                planned_at = time.time_ns()
        finally:
            if lane.gathering is None and not lane.merging.locked():
                self._lanes.pop(batch.bound.asset.name, None)
        ends = await self._finish(batch.bound, planned, batch.arrivals[0].trace)
        return Taken(planned, ends, planned_at)

    async def _merge(self, batch: _Batch) -> Plan:
        name = batch.bound.asset.name
        for conflicts in range(_CONFLICTS_AT_MOST):
            state = await self._states.read(name, fresh=conflicts > 0)
            packs = await self._archived.without(state.packs)
            state = state if packs is state.packs else replace(state, packs=packs)
            planned = plan(batch.bound, state, batch.arrivals)
            if not planned.is_changed:
                return planned
            try:
                await self._states.write(name, state, planned.state)
            except VersionConflict:
                self._metrics.count("state_conflicts")
                await asyncio.sleep(self._jitter.uniform(0, 0.005 * 2 ** min(conflicts, 6)))
            else:
                self._count_forgotten(state, batch)
                return planned
        raise StoreUnavailable(f"state of {name}: too many others write it")

    def _count_forgotten(self, before: AssetState, batch: _Batch) -> None:
        forgotten = len({*before.packs, *batch.packs}) - PACKS_AT_MOST
        if forgotten > 0:
            self._metrics.count("packs_forgotten", forgotten)
