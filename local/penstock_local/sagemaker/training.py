"""Training jobs: which run, how they are stopped, and what became of them."""

import asyncio
import shutil
from pathlib import Path

import structlog

from penstock_local.sagemaker.lifecycle import begin, enter, fail, finish
from penstock_local.sagemaker.objects import TransferError, TransferStoppedError
from penstock_local.sagemaker.records import FinalMetric, JobStatus, TrainingJob
from penstock_local.sagemaker.store import Table
from penstock_local.sagemaker.tasks import Tasks
from penstock_local.sagemaker.tools import Tools
from penstock_local.sagemaker.training_run import (
    JobFailedError,
    JobStoppedError,
    Stop,
    TrainingRun,
)

log = structlog.get_logger(__name__)

_UNDER_WAY = {JobStatus.IN_PROGRESS, JobStatus.STOPPING}
_INTERRUPTED = (
    "InternalServerError: the local SageMaker ended while this job was running; "
    "start it again under a new name"
)


class Training:
    """Runs training jobs, a bounded number at a time; the others wait in `Starting`."""

    def __init__(self, *, jobs: Table[TrainingJob], tools: Tools) -> None:
        self._jobs = jobs
        self._tools = tools
        self._root = tools.settings.state_dir / "training"
        self._slots = asyncio.Semaphore(tools.settings.parallel_jobs)
        self._stops: dict[str, Stop] = {}
        self._tasks = Tasks()

    def recover(self) -> None:
        """Settle every job that was running when the server ended."""
        now = self._tools.clock()
        for job in self._jobs.all():
            if job.status is JobStatus.IN_PROGRESS:
                self._jobs.put(fail(job, _INTERRUPTED, at=now))
            elif job.status is JobStatus.STOPPING:
                self._jobs.put(finish(job, "Stopped", at=now))
        shutil.rmtree(self._root, ignore_errors=True)

    def start(self, job: TrainingJob) -> None:
        """Accept a job, durably, and run it in the background."""
        self._jobs.put(job)
        stop = self._stops[job.name] = Stop()
        self._tasks.start(
            f"train {job.name}",
            self._run(job, stop),
            on_crash=lambda error: self._crashed(job, error),
        )

    def stop(self, job: TrainingJob) -> None:
        """Ask a running job to stop; what its program leaves in /opt/ml/model is still uploaded."""
        stopping = enter(job, "Stopping", at=self._tools.clock(), status=JobStatus.STOPPING)
        self._jobs.put(stopping)
        self._stops[job.name].set()

    async def close(self) -> None:
        """End all programs. Their jobs are settled by the next `recover`."""
        for stop in self._stops.values():
            stop.in_thread.set()
        await self._tasks.close()

    async def _run(self, job: TrainingJob, stop: Stop) -> None:
        ml = self._root / job.name / "ml"
        try:
            ended = await self._outcome(job, ml, stop)
            self._jobs.put(ended)
            log.info(
                "training.ended", job=job.name, status=ended.status, reason=ended.failure_reason
            )
        finally:
            del self._stops[job.name]
            await asyncio.to_thread(shutil.rmtree, ml.parent, ignore_errors=True)

    async def _outcome(self, job: TrainingJob, ml: Path, stop: Stop) -> TrainingJob:
        run = TrainingRun(job, ml=ml, stop=stop, tools=self._tools)
        try:
            return await self._train(job, run, stop)
        except (JobStoppedError, TransferStoppedError):
            return finish(self._latest(job), "Stopped", at=self._tools.clock())
        except TransferError as error:
            return self._failed(job, f"ClientError: {error}")
        except JobFailedError as error:
            return self._failed(job, str(error), await run.read_metrics())

    def _crashed(self, job: TrainingJob, error: BaseException) -> None:
        """A bug of ours must not leave a job in progress for ever."""
        if self._latest(job).status in _UNDER_WAY:
            self._jobs.put(self._failed(job, f"InternalServerError: {error!r}"))

    async def _train(self, job: TrainingJob, run: TrainingRun, stop: Stop) -> TrainingJob:
        await stop.unless_asked(self._slots.acquire())
        try:
            self._jobs.put(begin(self._latest(job), at=self._tools.clock()))
            await run.download()
            self._enter(job, "Training")
            secondary = await run.run_program()
            self._enter(job, "Uploading")
            url = await run.upload()
            metrics = await run.read_metrics()
        finally:
            self._slots.release()
        if stop.asked.is_set():  # also when it came after the program's own end
            secondary = "Stopped"
        latest, now = self._latest(job), self._tools.clock()
        return finish(latest, secondary, at=now, artifacts_url=url, metrics=metrics)

    def _enter(self, job: TrainingJob, secondary: str) -> None:
        self._jobs.put(enter(self._latest(job), secondary, at=self._tools.clock()))

    def _failed(
        self, job: TrainingJob, reason: str, metrics: tuple[FinalMetric, ...] = ()
    ) -> TrainingJob:
        return fail(self._latest(job), reason, at=self._tools.clock(), metrics=metrics)

    def _latest(self, job: TrainingJob) -> TrainingJob:
        """Return the job as it stands now: a stop changes it while it runs."""
        return self._jobs.get(job.name) or job
