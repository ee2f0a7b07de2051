"""Reads and writes of jobs and their slices: each change is one conditional write or transaction.

Settling a slice, adding its children and releasing the next slices of the plan is one transaction,
so the job's count of open slices is right at every moment and a crash leaves nothing half done.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from penstock.domain.datasets import MOST_CHILDREN, Pull, Recipe, Slice, SliceState
from penstock.domain.errors import NotFound, StoreUnavailable, UnknownJob, VersionConflict
from penstock.domain.ids import SliceId
from penstock.domain.jobs import (
    Job,
    JobStatus,
    SliceOutcome,
    StoredSlice,
    check_transition,
    slices_to_release,
)
from penstock.domain.time import Micros, to_iso
from penstock.ports import Clock, Item, KeyValueStore, Write
from penstock.resources import JOBS, SLICES, STEPS

from training_orchestrator.bodies import DatasetBody, JobBody
from training_orchestrator.jobs_items import (
    LISTING,
    change_job,
    event,
    job_key,
    job_of,
    open_slice,
    slice_key,
    slice_of,
)

_TRIES = 12


@dataclass(frozen=True, slots=True)
class Settlement:
    """A job after a slice was settled, and the open slices that must now be on the queue."""

    job: Job
    to_send: tuple[Slice, ...]


def body_of(job: Job) -> JobBody:
    """The request that a job was made from, every default filled in."""
    return JobBody.model_validate_json(job.body)


def recipe_of(job: Job) -> Recipe:
    """What the job's dataset is made from; raise NotFound where it uses one prepared before."""
    dataset = body_of(job).dataset
    if not isinstance(dataset, DatasetBody):
        raise NotFound(f"job {job.job_id} pulls nothing: it uses dataset {dataset.id}")
    return dataset.to_domain()


class JobsStore:
    """The tables `jobs`, `slices` and `steps`."""

    def __init__(self, store: KeyValueStore, clock: Clock) -> None:
        """Keep the tables' store and the clock."""
        self._store = store
        self._clock = clock
        self._jitter = random.Random()  # noqa: S311 -- spreads retries, keeps no secret

    async def load(self, job_id: str) -> Job:
        """Read a job; raise UnknownJob."""
        item = await self._store.get(JOBS.name, job_key(job_id))
        if item is None:
            raise UnknownJob(f"no job {job_id}")
        return job_of(item)

    async def newest(self) -> AsyncIterator[Job]:
        """Walk all jobs, the newest first."""
        listed = self._store.query(
            JOBS.name, {"listing": LISTING}, index="by-creation", newest_first=True
        )
        async for item in listed:
            yield job_of(item)

    async def events(self, job_id: str) -> AsyncIterator[Item]:
        """Walk the history of a job in order."""
        async for item in self._store.query(STEPS.name, {"job_id": job_id}):
            yield item

    async def tell(self, job: Job, name: str, **details: object) -> None:
        """Add an event to a job's history."""
        await self._store.write(event(job.job_id, job.run, name, at=self._clock.now(), **details))

    async def move(self, job: Job, status: JobStatus, **parts: object) -> Job:
        """Change the status and other attributes; the event goes with it.

        Raise IllegalTransition where the run cannot go there, VersionConflict where it moved since.
        """
        check_transition(job.status, status)
        now = self._clock.now()
        if status.is_final:
            parts = {"ended_at": to_iso(now), **parts}
        change = change_job(job, status=status.value, **parts)
        told = event(
            job.job_id, job.run, "status", at=now, status=status.value, reason=parts.get("reason")
        )
        await self._store.write_all([change, told])
        return await self.load(job.job_id)

    async def slice(self, job: Job, slice_id: str) -> StoredSlice:
        """Read a slice; raise NotFound."""
        item = await self._store.get(SLICES.name, slice_key(job, slice_id))
        if item is None:
            raise NotFound(f"job {job.job_id} has no slice {slice_id}")
        return slice_of(item)

    async def slices(self, job: Job) -> AsyncIterator[StoredSlice]:
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
        return Settlement(await self.load(job.job_id), fresh)

    async def settle(self, job_id: str, slice_id: str, outcome: SliceOutcome) -> Settlement:
        """Move an open slice to its outcome, add its children, release the next of the plan.

        A repeat changes nothing and tells again which slices the first time opened, so that whoever
        died before sending them is made good.
        """
        for attempt in range(_TRIES):
            job = await self.load(job_id)
            stored = await self.slice(job, slice_id)
            if stored.state is not SliceState.OPEN:
                return await self.settled_before(job, stored)
            try:
                return await self._settle(job, stored, outcome)
            except VersionConflict:
                # The job's item is shared by all fetchers: the loser reads again.
                await asyncio.sleep(self._jitter.uniform(0, 0.02 * 2 ** min(attempt, 6)))
        raise StoreUnavailable(f"job {job_id} is written by too many at once")

    async def settled_before(self, job: Job, stored: StoredSlice) -> Settlement:
        """What a repeated delivery of a settled slice has to send again."""
        opened = [await self.slice(job, slice_id) for slice_id in stored.released]
        still_open = (one.slice for one in opened if one.state is SliceState.OPEN)
        return Settlement(job, tuple(still_open))

    async def reopen_failed(self, job: Job) -> None:
        """Open the failed slices of an earlier run of the same pull again."""
        failed: list[SliceId] = []
        async for stored in self.slices(job):
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
                set={"state": SliceState.OPEN.value, "reason": None},
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
        return Settlement(await self.load(job.job_id), to_send)

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


def seconds_since(at: Micros | None, now: Micros) -> float:
    """Seconds from `at` to now; endless where `at` is not known."""
    return (now - at) / 1e6 if at is not None else float("inf")
