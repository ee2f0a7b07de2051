"""Ask the training to stop, because somebody asked or because its time is over."""

from penstock.domain.jobs import Job, JobStatus

from training_orchestrator.step import Step, StepAnswer, Workbench
from training_orchestrator.steps.describe_training_job import time_limit_reason


async def run(bench: Workbench, job: Job) -> StepAnswer:
    """Move the job to STOPPING where no request did, then stop the training if it still runs."""
    if job.status is JobStatus.TRAINING:
        reason = time_limit_reason(job)
        job = await bench.jobs.move(job, JobStatus.STOPPING, reason=reason)
    await bench.trainings.stop(bench.sagemaker_name(job))
    return StepAnswer("stopping")


STEP = Step(run)
