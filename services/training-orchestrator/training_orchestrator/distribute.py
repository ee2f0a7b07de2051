"""The pull of a job: its slices go to the fetch queue, and the last one in starts the training."""

import structlog
from penstock.channels.slices import CHANNEL, VERSION, SliceMessage
from penstock.domain.datasets import Slice, SliceState
from penstock.domain.errors import Conflict, StoreUnavailable, VersionConflict
from penstock.domain.jobs import Job, JobStatus, PullVerdict, SliceOutcome, judge_pull
from penstock.ports import Clock, Publisher
from penstock.runtime.clock import new_id

from training_orchestrator.job_trace import slice_trace
from training_orchestrator.jobs_store import JobsStore, recipe_of
from training_orchestrator.ports import Executions
from training_orchestrator.slices_store import Settlement, SlicesStore

log = structlog.get_logger()

_REASONS_TOLD = 3
_SENT_AT_ONCE = 100


class Distributor:
    """Keeps a job's slices on the queue, and goes on with the job when they are all in.

    The orchestrator begins pulls and re-sends what got lost; fetchers settle slices. Every method
    may be repeated: what is done already is found so, and what was not finished is finished.
    """

    def __init__(
        self,
        jobs: JobsStore,
        slices: SlicesStore,
        queue: Publisher,
        executions: Executions,
        clock: Clock,
    ) -> None:
        """Wire the pull; `queue` carries the slices to the fetchers."""
        self._jobs = jobs
        self._slices = slices
        self._queue = queue
        self._executions = executions
        self._clock = clock

    async def begin(self, job: Job) -> None:
        """Begin a pending job: pull its slices, or start at once where the dataset is ready."""
        if job.dataset_ready:
            await self._start(job)
            return
        if job.released:  # a retry goes on with the pull of an earlier run
            await self._slices.reopen_failed(job)
            job = await self._jobs.move(await self._jobs.load(job.job_id), JobStatus.PULLING)
            await self.resend(job)
            settlement = await self._slices.release_more(job)
        else:
            settlement = await self._slices.begin_pull(job)
        await self._send(settlement)
        await self.advance(settlement.job)

    async def settle(
        self, job_id: str, slice_id: str, outcome: SliceOutcome, *, is_redelivery: bool = True
    ) -> None:
        """Move a slice to its outcome and do all that follows; ack its message after this."""
        settlement = await self._slices.settle(
            job_id, slice_id, outcome, is_redelivery=is_redelivery
        )
        await self._send(settlement)
        await self.advance(settlement.job)

    async def is_wanted(self, job_id: str, slice_id: str, *, is_redelivery: bool = True) -> bool:
        """Whether a slice still has to be fetched; of a settled one the rest is made good.

        Ask before fetching: a repeat of a finished slice, or one of a stopped job, is not fetched.
        """
        job = await self._jobs.load(job_id)
        stored = await self._slices.load(job, slice_id)
        if stored.state is SliceState.OPEN:
            return job.status is JobStatus.PULLING
        await self._send(
            await self._slices.settled_before(job, stored, is_redelivery=is_redelivery)
        )
        await self.advance(job)
        return False

    async def resend(self, job: Job) -> int:
        """Put every open slice on the queue again, and tell how many; repeats are harmless."""
        count = 0
        waiting: list[Slice] = []
        async for stored in self._slices.walk(job):
            if stored.state is SliceState.OPEN:
                waiting.append(stored.slice)
                count += 1
            if len(waiting) == _SENT_AT_ONCE:
                await self._send(Settlement(job, tuple(waiting)))
                waiting.clear()
        await self._send(Settlement(job, tuple(waiting)))
        return count

    async def advance(self, job: Job) -> None:
        """Go on with a job whose pull is over; the check may be repeated at any time."""
        if job.status is not JobStatus.PULLING:
            return
        match judge_pull(job):
            case PullVerdict.GOES_ON:
                return
            case PullVerdict.COMPLETE:
                await self._start(job)
            case PullVerdict.FAILED:
                await self._fail(job)

    async def _start(self, job: Job) -> None:
        payload: dict[str, object] = {
            "job_id": job.job_id,
            "run": job.run,
            "created_at": job.created_at,
            "prepare": not job.dataset_ready,
        }
        await self._executions.start(job.execution_name, payload)
        log.info("execution.started", job_id=job.job_id, run=job.run)

    async def _fail(self, job: Job) -> None:
        reasons: list[str] = []
        async for stored in self._slices.walk(job):
            if stored.state is SliceState.FAILED and len(reasons) < _REASONS_TOLD:
                reasons.append(f"{stored.slice.slice_id}: {stored.reason or 'no reason given'}")
        reason = (
            f"{job.failed} of {job.planned or recipe_of(job).pull.slice_count} slices could not be"
            f" pulled ({'; '.join(reasons)}). Put the source right, then POST"
            f" /v1/jobs/{job.job_id}/retry: only these are pulled again"
        )
        try:
            await self._jobs.move(job, JobStatus.FAILED, reason=reason)
        except (VersionConflict, Conflict):
            log.info("job.decided_already", job_id=job.job_id)

    async def _send(self, settlement: Settlement) -> None:
        if not settlement.to_send:
            return
        bodies = [CHANNEL.encode(self._message(settlement.job, p)) for p in settlement.to_send]
        for outcome in await self._queue.publish(bodies):
            if not outcome.is_durable:
                # The slices stay open: this delivery's repeat, or the sweeper, sends them again.
                raise StoreUnavailable(f"sending slices: {outcome.error}")

    def _message(self, job: Job, piece: Slice) -> SliceMessage:
        return SliceMessage(
            version=VERSION,
            id=new_id(self._clock),
            created_at=self._clock.now(),
            trace=slice_trace(job.job_id, piece.slice_id),
            job_id=job.job_id,
            run=job.pull_run,
            slice_id=piece.slice_id,
            source=recipe_of(job).pull.source,
            since=piece.since,
            until=piece.until,
            tags=list(piece.tags),
            page=piece.page,
            page_size=piece.page_size,
        )
