"""How a training job moves through its statuses: pure functions from a job to the next one."""

from dataclasses import replace
from typing import Any

from penstock_local.sagemaker.records import (
    Answer,
    FinalMetric,
    JobStatus,
    Request,
    TrainingJob,
    Transition,
)

# FailureReason and StatusMessage are this long at most in the model.
MAX_REASON = 1024

_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training in progress",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job stopped: it ran for more than MaxRuntimeInSeconds",
    "Deleting": "Deleting the training job",
}


def new_job(
    *, name: str, arn: str, request: Request, tags: dict[str, str], at: float
) -> TrainingJob:
    """A job just accepted, in `InProgress` and `Starting`."""
    first = Transition(status="Starting", message=_MESSAGES["Starting"], started_at=at)
    return TrainingJob(
        name=name,
        arn=arn,
        request={key: value for key, value in request.items() if key != "Tags"},
        status=JobStatus.IN_PROGRESS,
        transitions=(first,),
        created_at=at,
        modified_at=at,
        tags=tags,
    )


def enter(
    job: TrainingJob, secondary: str, *, at: float, status: JobStatus | None = None
) -> TrainingJob:
    """Close the open transition and start the next one; the main status changes only if given."""
    return _enter(job, secondary, _MESSAGES[secondary], at=at, status=status or job.status)


def begin(job: TrainingJob, *, at: float) -> TrainingJob:
    """The job's clock starts: it has an instance and downloads its channels."""
    return replace(enter(job, "Downloading", at=at), started_at=at)


def finish(
    job: TrainingJob,
    secondary: str,
    *,
    at: float,
    artifacts_url: str | None = None,
    metrics: tuple[FinalMetric, ...] = (),
) -> TrainingJob:
    """End well or by a stop; what was uploaded is kept in both cases, as AWS does."""
    status = JobStatus.COMPLETED if secondary == "Completed" else JobStatus.STOPPED
    ended = enter(job, secondary, at=at, status=status)
    return replace(ended, ended_at=at, artifacts_url=artifacts_url, metrics=metrics)


def fail(
    job: TrainingJob, reason: str, *, at: float, metrics: tuple[FinalMetric, ...] = ()
) -> TrainingJob:
    """End badly, with a reason a person can act on."""
    reason = reason[:MAX_REASON]
    ended = _enter(job, "Failed", reason, at=at, status=JobStatus.FAILED)
    return replace(ended, ended_at=at, failure_reason=reason, metrics=metrics)


def describe_job(job: TrainingJob) -> Answer:
    """DescribeTrainingJob's view; the shaper drops what the output does not know."""
    answer: Answer = {
        **job.request,
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "TrainingJobStatus": job.status.value,
        "SecondaryStatus": job.secondary,
        "SecondaryStatusTransitions": [_transition(entry) for entry in job.transitions],
        "FailureReason": job.failure_reason,
        "CreationTime": job.created_at,
        "LastModifiedTime": job.modified_at,
        "TrainingStartTime": job.started_at,
        "TrainingEndTime": job.ended_at,
        **_artifacts(job),
    }
    if job.started_at is not None and job.ended_at is not None:
        seconds = max(1, round(job.ended_at - job.started_at))
        answer |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
    return answer


def _enter(
    job: TrainingJob, secondary: str, message: str, *, at: float, status: JobStatus
) -> TrainingJob:
    closed = replace(job.transitions[-1], ended_at=at)
    opened = Transition(
        status=secondary,
        message=message,
        started_at=at,
        ended_at=at if status.is_final else None,
    )
    transitions = (*job.transitions[:-1], closed, opened)
    return replace(job, status=status, transitions=transitions, modified_at=at)


def _transition(entry: Transition) -> dict[str, Any]:
    return {
        "Status": entry.status,
        "StartTime": entry.started_at,
        "EndTime": entry.ended_at,
        "StatusMessage": entry.message,
    }


def _artifacts(job: TrainingJob) -> Answer:
    if not job.status.is_final:
        return {}
    metrics = [
        {"MetricName": metric.name, "Value": metric.value, "Timestamp": metric.at}
        for metric in job.metrics
    ]
    return {
        # Required in the output shape, so a job that uploaded nothing names an empty place.
        "ModelArtifacts": {"S3ModelArtifacts": job.artifacts_url or ""},
        "FinalMetricDataList": metrics or None,
    }
