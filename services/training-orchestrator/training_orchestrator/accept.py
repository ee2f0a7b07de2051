"""A job is accepted: read, checked, filled in, written, and its pull begun."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from penstock.domain.errors import InvalidInput, NotFound, VersionConflict
from penstock.domain.ids import DatasetId, JobId
from penstock.domain.jobs import Job, JobStatus
from penstock.ports import Clock
from penstock.runtime.auth import Caller
from penstock.runtime.clock import new_id
from penstock.source_settings import RateBody, SourceStore

from training_orchestrator.audit import audited
from training_orchestrator.bodies import EvaluateBody, JobBody, RolloutBody, TrainBody
from training_orchestrator.dataset_bodies import DatasetBody, DatasetRef
from training_orchestrator.datasets_store import DatasetsStore, new_dataset
from training_orchestrator.estimate import Estimate, estimate
from training_orchestrator.faults import (
    Fault,
    FaultyBody,
    Limits,
    Reading,
    cross_faults,
    default_algorithm,
)
from training_orchestrator.idempotency import Idempotency
from training_orchestrator.jobs_store import JobsStore


@dataclass(frozen=True, slots=True)
class Accepted:
    """A body that can be done: all defaults filled in, its dataset's recipe, its source's rate."""

    body: JobBody
    dataset: DatasetBody
    rate: RateBody
    prepared: DatasetId | None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Turns bodies into jobs."""

    jobs: JobsStore
    datasets: DatasetsStore
    sources: SourceStore
    idempotency: Idempotency
    limits: Limits
    clock: Clock

    async def check(self, raw: Mapping[str, Any]) -> Accepted:
        """Check a body; raise FaultyBody with everything that is wrong with it."""
        reading = Reading(raw)
        ref = reading.part("dataset", DatasetRef)
        dataset = reading.part("dataset", DatasetBody)
        rate = RateBody()
        if ref is not None:
            dataset = await self._prepared(ref, reading.faults)
        elif dataset is not None:
            rate = await self._rate_of(dataset.source, reading.faults)
        train = reading.part("train", TrainBody)
        evaluate = reading.part("evaluate", EvaluateBody)
        rollout = reading.part("rollout", RolloutBody)
        reading.faults.extend(cross_faults(train, dataset, evaluate, rollout, self.limits))
        body = reading.body()
        if dataset is None:
            raise FaultyBody([Fault("dataset", "is needed")])
        prepared = DatasetId(ref.id) if ref is not None else None
        return Accepted(_filled(body, dataset), dataset, rate, prepared)

    def estimate(self, accepted: Accepted) -> Estimate:
        """Say what an accepted body will cost."""
        prices = self.limits.instance_types
        return estimate(accepted.body, accepted.dataset, accepted.rate, prices)

    async def create(
        self, accepted: Accepted, caller: Caller, *, key: str | None, raw: bytes
    ) -> Job:
        """Write the job, once for each idempotency key."""
        if key is not None and (made := await self.idempotency.made(key, raw)):
            return await self.jobs.load(made)
        number = new_id(self.clock)
        job = self._job(accepted, number, caller)
        more = [audited(caller, "job.create", job.job_id, self.clock)]
        if accepted.prepared is None:
            recipe, at = accepted.dataset, job.created_at
            more.append(new_dataset(job.dataset_id, job.job_id, recipe, at))
        if key is not None:
            more.append(self.idempotency.keeping(key, raw, job.job_id))
        try:
            await self.jobs.create(job, *more)
        except VersionConflict:
            # Only the key can be taken: the same request came twice at once.
            if key is not None and (made := await self.idempotency.made(key, raw)):
                return await self.jobs.load(made)
            raise
        return job

    def _job(self, accepted: Accepted, number: str, caller: Caller) -> Job:
        now = self.clock.now()
        job = Job(
            job_id=JobId(f"job-{number}"),
            run=1,
            status=JobStatus.PENDING,
            model=accepted.body.model,
            body=accepted.body.model_dump_json(),
            dataset_id=accepted.prepared or DatasetId(f"ds_{number}"),
            created_at=now,
            started_at=now,
            progressed_at=now,
            concurrency=accepted.rate.concurrency,
            created_by=caller.name,
        )
        return replace(job, dataset_ready=True) if accepted.prepared else job

    async def _prepared(self, ref: DatasetRef, faults: list[Fault]) -> DatasetBody | None:
        try:
            dataset = await self.datasets.load(ref.id)
        except NotFound as error:
            faults.append(Fault("dataset.id", f"{error}; GET /v1/jobs shows those of past jobs"))
            return None
        if not dataset.is_ready:
            faults.append(
                Fault("dataset.id", f"it is still being prepared by job {dataset.job_id}; wait")
            )
        return dataset.recipe

    async def _rate_of(self, source: str, faults: list[Fault]) -> RateBody:
        try:
            return (await self.sources.get(source)).rate
        except NotFound:
            faults.append(
                Fault("dataset.source", f"there is no source {source}; an admin creates it with"
                      f" PUT /v1/sources/{source}")
            )  # fmt: skip
        except InvalidInput as error:
            faults.append(Fault("dataset.source", str(error)))
        return RateBody()


def _filled(body: JobBody, dataset: DatasetBody) -> JobBody:
    algorithm = body.train.algorithm or default_algorithm(dataset)
    endpoint = body.rollout.endpoint or body.model
    return body.model_copy(
        update={
            "train": body.train.model_copy(update={"algorithm": algorithm}),
            "rollout": body.rollout.model_copy(update={"endpoint": endpoint}),
        }
    )
