"""Reads and writes of jobs and their events: each change is conditional on run and status."""

import contextlib
from collections.abc import AsyncIterator

from penstock.domain.datasets import Recipe
from penstock.domain.errors import (
    IllegalTransition,
    NotFound,
    UnknownJob,
    VersionConflict,
)
from penstock.domain.jobs import (
    RETRYABLE,
    Job,
    JobStatus,
    check_transition,
)
from penstock.domain.time import to_iso
from penstock.ports import Clock, KeyValueStore, Write
from penstock.resources import JOBS, STEPS

from training_orchestrator.bodies import JobBody
from training_orchestrator.dataset_bodies import DatasetBody
from training_orchestrator.jobs_items import (
    LISTING,
    change_job,
    event,
    job_item,
    job_key,
    job_of,
    past_events,
)


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
    """The tables `jobs` and `steps`."""

    def __init__(self, store: KeyValueStore, clock: Clock) -> None:
        """Keep the tables' store and the clock."""
        self._store = store
        self._clock = clock

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

    async def events(self, job: Job) -> list[dict[str, object]]:
        """Tell the whole history of a job in order, whoever wrote it."""
        told = [dict(i) async for i in self._store.query(STEPS.name, {"job_id": job.job_id})]
        return sorted([*told, *past_events(job)], key=lambda one: str(one["event_id"]))

    async def tell(self, job: Job, name: str, **details: object) -> None:
        """Add an event to a job's history."""
        await self._store.write(event(job.job_id, job.run, name, at=self._clock.now(), **details))

    async def move(self, job: Job, status: JobStatus, *more: Write, **parts: object) -> Job:
        """Change the status and other attributes; the event goes with it, and so do other writes.

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
        await self._store.write_all([change, told, *more])
        return await self.load(job.job_id)

    async def create(self, job: Job, *more: Write) -> None:
        """Write a new job with all that belongs to it; raise VersionConflict where it exists."""
        put = Write(JOBS.name, job_key(job.job_id), put=job_item(job), absent=True)
        told = event(job.job_id, job.run, "status", at=job.created_at, status=job.status.value)
        await self._store.write_all([put, told, *more])

    async def note(self, job: Job, **parts: object) -> Job:
        """Change attributes of a job that is still in this run and status."""
        return job_of(await self._store.write(change_job(job, **parts)))

    async def raise_generation(self, job: Job) -> Job:
        """Let what the run makes have a new name, once, however many saw the last one fail."""
        key = job_key(job.job_id)
        require = {"run": job.run, "generation": job.generation}
        with contextlib.suppress(VersionConflict):
            await self._store.write(
                Write(JOBS.name, key, set={"generation": job.generation + 1}, require=require)
            )
        return await self.load(job.job_id)

    async def next_run(self, job: Job, *more: Write, dataset_ready: bool) -> Job:
        """Begin the next run of a job that failed or was stopped; raise IllegalTransition."""
        if job.status not in RETRYABLE:
            raise IllegalTransition(
                f"job {job.job_id} is {job.status}; only FAILED or STOPPED ones can be retried"
            )
        forgotten = ("result", "reason", "ended_at", "model_version", "verdict")
        change = change_job(
            job,
            **dict.fromkeys(forgotten),
            run=job.run + 1,
            status=JobStatus.PENDING.value,
            generation=1,
            stop_requested=False,
            dataset_ready=dataset_ready,
            progressed_at=to_iso(self._clock.now()),
        )
        now = self._clock.now()
        told = event(job.job_id, job.run + 1, "status", at=now, status=JobStatus.PENDING.value)
        await self._store.write_all([change, told, *more])
        return await self.load(job.job_id)
