"""Look at the training and say which way the job goes on."""

from typing import assert_never

from penstock.domain.endpoints import Training, TrainingStatus, is_worth_another_try
from penstock.domain.jobs import Job
from penstock.domain.time import Micros, format_duration

from training_orchestrator.jobs_store import body_of
from training_orchestrator.step import (
    MOST_GENERATIONS,
    Step,
    StepAnswer,
    TrainingFailed,
    Workbench,
    poll_wait,
)


async def run(bench: Workbench, job: Job) -> StepAnswer:
    """Handle every status that a training can have."""
    name = bench.sagemaker_name(job)
    training = await bench.trainings.describe(name)
    if training is None:
        # A repeat of a look that raised the generation: the next training is yet to be made.
        return StepAnswer("again")
    match training.status:
        case TrainingStatus.IN_PROGRESS:
            return _running(bench, job, training)
        case TrainingStatus.STOPPING:
            return StepAnswer("running", _wait(bench, training))
        case TrainingStatus.COMPLETED:
            await bench.jobs.tell(
                job, "training.completed", training=name, metrics=training.metrics
            )
            return StepAnswer("completed")
        case TrainingStatus.STOPPED:
            return await _stopped(bench, job, training)
        case TrainingStatus.FAILED:
            return await _failed(bench, job, training)
        case TrainingStatus.DELETING:
            raise TrainingFailed(f"training {name} was deleted")
        case _ as never:
            assert_never(never)


def _running(bench: Workbench, job: Job, training: Training) -> StepAnswer:
    is_late = _elapsed(bench, training) > body_of(job).train.stop.max_runtime
    if job.stop_requested or is_late:
        return StepAnswer("stop")
    return StepAnswer("running", _wait(bench, training))


async def _stopped(bench: Workbench, job: Job, training: Training) -> StepAnswer:
    reason = job.reason or (
        time_limit_reason(job)
        if training.secondary_status == "MaxRuntimeExceeded"
        else "the training was stopped in SageMaker, not by Penstock"
    )
    await bench.jobs.note(job, reason=reason)
    await bench.jobs.tell(job, "training.stopped", training=training.name, reason=reason)
    return StepAnswer("stopped", reason=reason)


async def _failed(bench: Workbench, job: Job, training: Training) -> StepAnswer:
    """A host's fault is worth another training, under a name of its own."""
    reason = training.failure_reason or "SageMaker gave no reason"
    await bench.jobs.tell(job, "training.failed", training=training.name, reason=reason)
    if is_worth_another_try(training) and job.generation < MOST_GENERATIONS:
        await bench.jobs.raise_generation(job)
        return StepAnswer("again")
    raise TrainingFailed(reason)


def time_limit_reason(job: Job) -> str:
    """Say which limit ended a training."""
    limit = format_duration(body_of(job).train.stop.max_runtime)
    return f"the training reached its time limit of {limit} (train.stop.max_runtime)"


def _elapsed(bench: Workbench, training: Training) -> Micros:
    now = bench.clock.now()
    return Micros(now - (training.created_at if training.created_at is not None else now))


def _wait(bench: Workbench, training: Training) -> int:
    return poll_wait(_elapsed(bench, training), bench.settings.first_poll_seconds)


STEP = Step(run)
