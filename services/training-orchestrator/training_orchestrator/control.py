"""What people do with a job that exists: stop it, retry it."""

from dataclasses import dataclass

import structlog
from penstock.domain.errors import Conflict, Unavailable
from penstock.domain.jobs import Job, JobStatus, status_on_stop
from penstock.ports import Clock
from penstock.runtime.auth import Caller

from training_orchestrator.audit import audited
from training_orchestrator.datasets_store import DatasetsStore
from training_orchestrator.distribute import Distributor
from training_orchestrator.idempotency import Idempotency
from training_orchestrator.jobs_store import JobsStore

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Control:
    """Changes of jobs by people."""

    jobs: JobsStore
    datasets: DatasetsStore
    distributor: Distributor
    idempotency: Idempotency
    clock: Clock

    async def stop(self, job_id: str, caller: Caller) -> Job:
        """Ask a job to stop; asking again is harmless.

        Nothing runs yet while slices are pulled, so that ends at once. Later every step reads the
        request, and the state machine takes its Stop branch. Raise IllegalTransition where the run
        is over, or its endpoint is being changed.
        """
        job = await self.jobs.load(job_id)
        if job.status is JobStatus.STOPPING:
            return job
        status = status_on_stop(job.status)
        return await self.jobs.move(
            job,
            status,
            audited(caller, "job.stop", job_id, self.clock),
            stop_requested=True,
            reason=f"stopped by {caller.name}",
        )

    async def retry(self, job_id: str, caller: Caller, *, key: str | None) -> Job:
        """Begin the next run: what was pulled and prepared stays, the rest is done again.

        Raise IllegalTransition where the job neither failed nor was stopped.
        """
        if key is not None and await self.idempotency.made(key, b""):
            return await self.jobs.load(job_id)
        job = await self.jobs.load(job_id)
        dataset = await self.datasets.load(job.dataset_id)
        more = [audited(caller, "job.retry", job_id, self.clock)]
        if key is not None:
            more.append(self.idempotency.keeping(key, b"", job_id))
        job = await self.jobs.next_run(job, *more, dataset_ready=dataset.is_ready)
        return await self.begin(job)

    async def begin(self, job: Job) -> Job:
        """Begin a job that was written; where that fails now, the sweeper does it soon."""
        try:
            await self.distributor.begin(job)
        except Conflict:
            log.info("job.begun_by_another", job_id=job.job_id)
        except Unavailable as error:
            log.warning("job.begins_later", job_id=job.job_id, error=str(error))
        return await self.jobs.load(job.job_id)
