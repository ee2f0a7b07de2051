"""Reads and writes of the slices of a job.

Settling a slice, adding its children and releasing the next slices of the plan is one transaction,
so the job's count of open slices is right at every moment and a crash leaves nothing half done.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from penstock.domain.datasets import MOST_CHILDREN, Pull, Slice, SliceState
from penstock.domain.errors import NotFound, StoreUnavailable, VersionConflict
from penstock.domain.ids import SliceId
from penstock.domain.jobs import Job, JobStatus, SliceOutcome, StoredSlice, slices_to_release
from penstock.domain.time import to_iso
from penstock.ports import Clock, KeyValueStore, Write
from penstock.resources import JOBS, SLICES

from training_orchestrator.jobs_items import (
    change_job,
    event,
    job_key,
    open_slice,
    slice_key,
    slice_of,
)
from training_orchestrator.jobs_store import JobsStore, recipe_of

_TRIES = 12


@dataclass(frozen=True, slots=True)
class Settlement:
    """A job after a slice was settled, and the open slices that must now be on the queue."""

    job: Job
    to_send: tuple[Slice, ...]


class SlicesStore:
    """The table `slices`, and the counters of `jobs` that go with it."""

    def __init__(self, store: KeyValueStore, clock: Clock, *, pause_seconds: float = 0.02) -> None:
        """Keep the tables' store and the clock; losers of a write pause before the next try."""
        self._store = store
        self._clock = clock
        self._jobs = JobsStore(store, clock)
        self._pause_seconds = pause_seconds
        self._jitter = random.Random()  # noqa: S311 -- spreads retries, keeps no secret

    async def load(self, job: Job, slice_id: str) -> StoredSlice:
        """Read a slice; raise NotFound."""
        item = await self._store.get(SLICES.name, slice_key(job, slice_id))
        if item is None:
            raise NotFound(f"job {job.job_id} has no slice {slice_id}")
        return slice_of(item)

    async def walk(self, job: Job) -> AsyncIterator[StoredSlice]:
        """Walk the slices of a job's pull in order; the children of a split one follow it."""
        async for item in self._store.query(SLICES.name, {"job_run": job.slices_key}):
            yield slice_of(item)

    async def begin_pull(self, job: Job) -> Settlement:
        """Write the first slices of the plan and move the job to PULLING, in one transaction."""
        pull = recipe_of(job).pull
        fresh = self._next_slices(job, pull, opened=0)
        now = self._clock.now()
        change = self._release(change_job(job, status=JobStatus.PULLING.value), job, pull, fresh)
        told = event(job.job_id, job.run, "status", at=now, status=JobStatus.PULLING.value)
        await self._store.write_all([change, told, *(open_slice(job, piece) for piece in fresh)])
        return Settlement(await self._jobs.load(job.job_id), fresh)

    async def release_more(self, job: Job) -> Settlement:
        """Write the next slices of the plan as far as there is room."""
        pull = recipe_of(job).pull
        fresh = self._next_slices(job, pull, opened=0)
        if not fresh:
            return Settlement(job, ())
        change = self._release(change_job(job), job, pull, fresh)
        await self._store.write_all([change, *(open_slice(job, piece) for piece in fresh)])
        return Settlement(await self._jobs.load(job.job_id), fresh)

    async def settle(
        self, job_id: str, slice_id: str, outcome: SliceOutcome, *, is_redelivery: bool = True
    ) -> Settlement:
        """Move an open slice to its outcome, add its children, release the next of the plan.

        A repeat changes nothing. A redelivery tells again which slices the first time opened, so
        that whoever died before sending them is made good; see `settled_before`.
        """
        for attempt in range(_TRIES):
            job = await self._jobs.load(job_id)
            stored = await self.load(job, slice_id)
            if stored.state is not SliceState.OPEN:
                return await self.settled_before(job, stored, is_redelivery=is_redelivery)
            try:
                return await self._settle(job, stored, outcome)
            except VersionConflict:
                # The job's item is shared by all fetchers: the loser reads again.
                await asyncio.sleep(
                    self._jitter.uniform(0, self._pause_seconds * 2 ** min(attempt, 6))
                )
        raise StoreUnavailable(f"job {job_id} is written by too many at once")

    async def settled_before(
        self, job: Job, stored: StoredSlice, *, is_redelivery: bool
    ) -> Settlement:
        """What a repeated delivery of a settled slice has to send again.

        A second message of the slice sends nothing: the one that settled it is acked only after it
        has sent. Otherwise one doubled message would double all of the pull that follows.
        """
        if not is_redelivery:
            return Settlement(job, ())
        opened = [await self.load(job, slice_id) for slice_id in stored.released]
        still_open = (one.slice for one in opened if one.state is SliceState.OPEN)
        return Settlement(job, tuple(still_open))

    async def reopen_failed(self, job: Job) -> None:
        """Open the failed slices of an earlier run of the same pull again."""
        failed: list[SliceId] = []
        async for stored in self.walk(job):
            if stored.state is SliceState.FAILED:
                failed.append(stored.slice.slice_id)
            if len(failed) == MOST_CHILDREN:
                await self._reopen(job, failed)
                failed = []
        if failed:
            await self._reopen(job, failed)

    async def _reopen(self, job: Job, failed: Sequence[SliceId]) -> None:
        writes = [
            Write(
                SLICES.name,
                slice_key(job, slice_id),
                set={"state": SliceState.OPEN.value, "reason": None, "attempts": 0},
                require={"state": SliceState.FAILED.value},
            )
            for slice_id in failed
        ]
        count = Write(
            JOBS.name, job_key(job.job_id), add={"open": len(failed), "failed": -len(failed)}
        )
        await self._store.write_all([*writes, count])

    async def _settle(self, job: Job, stored: StoredSlice, outcome: SliceOutcome) -> Settlement:
        opened = len(outcome.children) - 1
        pull = recipe_of(job).pull
        going_on = job.status is JobStatus.PULLING
        after = replace(job, failed=job.failed + (outcome.state is SliceState.FAILED))
        fresh = self._next_slices(after, pull, opened=opened) if going_on else ()
        to_send = (*outcome.children, *fresh)
        settled = Write(
            SLICES.name,
            slice_key(job, stored.slice.slice_id),
            set={
                "state": outcome.state.value,
                "rows": outcome.rows,
                "bytes": outcome.bytes,
                "attempts": outcome.attempts,
                "reason": outcome.reason,
                "released": [piece.slice_id for piece in to_send],
            },
            require={"state": SliceState.OPEN.value},
        )
        counted = Write(
            JOBS.name,
            job_key(job.job_id),
            set={"progressed_at": to_iso(self._clock.now())},
            add={
                "open": opened,
                "failed": int(outcome.state is SliceState.FAILED),
                "done": int(outcome.state is SliceState.DONE),
                "rows": outcome.rows,
                "bytes": outcome.bytes,
            },
            present=True,
        )
        counted = self._release(counted, job, pull, fresh)
        opening = (open_slice(job, piece) for piece in to_send)
        await self._store.write_all([settled, counted, *opening])
        return Settlement(await self._jobs.load(job.job_id), to_send)

    def _next_slices(self, job: Job, pull: Pull, *, opened: int) -> tuple[Slice, ...]:
        wanted = slices_to_release(job, slice_count=pull.slice_count, opened=opened)
        room = MOST_CHILDREN - max(0, opened + 1)
        last = job.released + min(wanted, room)
        return tuple(pull.slice_at(position) for position in range(job.released, last))

    def _release(self, write: Write, job: Job, pull: Pull, fresh: Sequence[Slice]) -> Write:
        """Make a change of the job count freshly written slices, and the plan's end."""
        if not fresh:
            return write
        released = job.released + len(fresh)
        is_planned = released == pull.slice_count
        return replace(
            write,
            set={
                **write.set,
                "released": released,
                "progressed_at": to_iso(self._clock.now()),
                **({"planned": released} if is_planned else {}),
            },
            add={**write.add, "open": write.add.get("open", 0) + len(fresh)},
            require={**write.require, "released": job.released},
        )
