"""The sweeper: what a death between two effects left undone is found and done.

It runs in every task, under a lease in one of them, and only repeats what is harmless to repeat.
"""

import structlog
from penstock.domain.errors import Conflict, PenstockError, Unavailable
from penstock.domain.jobs import Job, JobStatus, PullVerdict, judge_pull
from penstock.domain.time import DAY, SECOND, Micros, to_iso
from penstock.ports import Clock
from penstock.runtime.lifecycle import Stop

from training_orchestrator.distribute import Distributor
from training_orchestrator.jobs_store import JobsStore
from training_orchestrator.leases import LeaseHeld, Leases
from training_orchestrator.ports import Executions

log = structlog.get_logger()

LEASE = "training-sweeper"
_LOOK_BACK = Micros(14 * DAY)
_GRACE = Micros(10 * SECOND)
_ENDED = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"})


class Sweeper:
    """Goes over the jobs that are not over."""

    def __init__(
        self,
        jobs: JobsStore,
        distributor: Distributor,
        executions: Executions,
        leases: Leases,
        clock: Clock,
        *,
        holder: str,
        sweep_seconds: float,
        stalled_seconds: float,
    ) -> None:
        """Wire what is looked at; `holder` names this process on the lease."""
        self._jobs = jobs
        self._distributor = distributor
        self._executions = executions
        self._leases = leases
        self._clock = clock
        self._holder = holder
        self._sweep_seconds = sweep_seconds
        self._stalled = Micros(round(stalled_seconds * SECOND))

    async def run(self, stop: Stop) -> None:
        """Sweep now and then until stop; a dependency that is away is tried again next time."""
        while not await stop.wait_for(self._sweep_seconds):
            try:
                seconds = round(3 * self._sweep_seconds) + 1
                await self._leases.acquire(LEASE, self._holder, seconds=seconds)
                await self.sweep()
            except LeaseHeld:
                continue
            except Unavailable as error:
                log.warning("sweep.failed", error=str(error))

    async def sweep(self) -> None:
        """Go over every job of the last two weeks that is not over."""
        now = self._clock.now()
        async for job in self._jobs.newest():
            if now - job.created_at > _LOOK_BACK:
                return
            if not job.status.is_final:
                await self._look_at(job)

    async def _look_at(self, job: Job) -> None:
        try:
            match job.status:
                case JobStatus.PENDING:
                    if self._still_for(job) > _GRACE:
                        await self._distributor.begin(job)
                        log.info("sweep.began", job_id=job.job_id)
                        await self._check_execution(job)
                case JobStatus.PULLING:
                    await self._pulling(job)
                case _:
                    await self._check_execution(job)
        except Unavailable:
            raise
        except Conflict:
            return  # it moved while we looked
        except PenstockError as error:
            log.warning("sweep.skipped", job_id=job.job_id, error=str(error))

    async def _pulling(self, job: Job) -> None:
        await self._distributor.advance(job)
        if judge_pull(job) is PullVerdict.COMPLETE:
            await self._check_execution(job)
        elif self._still_for(job) > self._stalled:
            count = await self._distributor.resend(job)
            await self._jobs.note(job, progressed_at=to_iso(self._clock.now()))
            log.warning("sweep.resent", job_id=job.job_id, count=count)

    async def _check_execution(self, job: Job) -> None:
        """A state machine that ended without deciding (its host died) fails the job."""
        status = await self._executions.status(job.execution_name)
        fresh = await self._jobs.load(job.job_id)
        if status not in _ENDED or (fresh.run, fresh.status) != (job.run, job.status):
            return
        if job.status is JobStatus.STOPPING:
            await self._jobs.move(job, JobStatus.STOPPED)
            return
        reason = (
            f"the state machine's execution ended ({status}) without deciding;"
            f" POST /v1/jobs/{job.job_id}/retry goes on with what is there"
        )
        await self._jobs.move(job, JobStatus.FAILED, reason=reason)

    def _still_for(self, job: Job) -> Micros:
        return Micros(self._clock.now() - (job.progressed_at or job.created_at))
