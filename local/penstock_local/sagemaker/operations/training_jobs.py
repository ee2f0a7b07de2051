"""Create, Describe, Stop and List training jobs."""

from collections.abc import Mapping
from typing import Any

from penstock_local.sagemaker.lifecycle import describe_job, new_job
from penstock_local.sagemaker.listing import Listing, list_records
from penstock_local.sagemaker.metrics import find_bad_regex
from penstock_local.sagemaker.operations.context import Context, Operation, read_tags
from penstock_local.sagemaker.records import Answer, JobStatus, Request, TrainingJob
from penstock_local.sagemaker.wire import ServiceError, not_simulated, refuse

# Optional in the model, required by the service.
_REQUIRED = ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition")


def create_training_job(context: Context, request: Request) -> Answer:
    """Accept the job and start it."""
    name = request["TrainingJobName"]
    if context.tables.jobs.get(name) is not None:
        raise ServiceError("ResourceInUse", f"Training job names must be unique: {name} is used.")
    _check(context, request)
    arn = context.arns.of("training-job", name)
    tags = read_tags(request)
    context.training.start(
        new_job(name=name, arn=arn, request=request, tags=tags, at=context.clock())
    )
    return {"TrainingJobArn": arn}


def describe_training_job(context: Context, request: Request) -> Answer:
    return describe_job(_find(context, request))


def stop_training_job(context: Context, request: Request) -> None:
    """Ask for the stop; a job that is stopping already is left to it."""
    job = _find(context, request)
    if job.status.is_final:
        raise refuse(f"The request was rejected because the job is in status {job.status}.")
    if job.status is JobStatus.IN_PROGRESS:
        context.training.stop(job)


def list_training_jobs(context: Context, request: Request) -> Answer:
    if "WarmPoolStatusEquals" in request or "TrainingPlanArnEquals" in request:
        raise not_simulated("warm pools and training plans")
    return list_records(_LISTING, context.tables.jobs.all(), request)


def _find(context: Context, request: Request) -> TrainingJob:
    job = context.tables.jobs.get(request["TrainingJobName"])
    if job is None:
        raise refuse(f"Requested resource not found: training job {request['TrainingJobName']}.")
    return job


def _check(context: Context, request: Request) -> None:
    for member in _REQUIRED:
        if member not in request:
            raise refuse(f"{member} must be given.")
    _check_algorithm(context, request["AlgorithmSpecification"])
    channels = request.get("InputDataConfig", [])
    names = [channel["ChannelName"] for channel in channels]
    if len(set(names)) < len(names):
        raise refuse("Channel names must be unique.")
    for channel in channels:
        _check_channel(channel)


def _check_algorithm(context: Context, algorithm: Mapping[str, Any]) -> None:
    if "TrainingImage" not in algorithm:
        raise not_simulated("training without a TrainingImage")
    for member in ("ContainerEntrypoint", "ContainerArguments"):
        if member in algorithm:
            raise not_simulated(f"AlgorithmSpecification.{member}")
    _check_mode(algorithm["TrainingInputMode"])
    image = algorithm["TrainingImage"]
    program = context.images.find(image)
    if program is None or program.train is None:
        raise refuse(f"Cannot find an image that can train: {image}.")
    if fault := find_bad_regex(algorithm.get("MetricDefinitions", [])):
        raise refuse(fault)


def _check_channel(channel: Mapping[str, Any]) -> None:
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        raise not_simulated("data sources other than S3DataSource")
    if source["S3DataType"] != "S3Prefix":
        raise not_simulated(f"S3DataType {source['S3DataType']}")
    _check_mode(channel.get("InputMode", "File"))


def _check_mode(mode: str) -> None:
    if mode == "Pipe":
        raise not_simulated("input mode Pipe")


def _summarise(job: TrainingJob) -> Answer:
    return {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "CreationTime": job.created_at,
        "TrainingEndTime": job.ended_at,
        "LastModifiedTime": job.modified_at,
        "TrainingJobStatus": job.status.value,
        "SecondaryStatus": job.secondary,
    }


_LISTING: Listing[TrainingJob] = Listing(
    answer_key="TrainingJobSummaries",
    summarise=_summarise,
    descending=False,
    status=lambda job: job.status.value,
    modified_at=lambda job: job.modified_at,
)

OPERATIONS: Mapping[str, Operation] = {
    "CreateTrainingJob": create_training_job,
    "DescribeTrainingJob": describe_training_job,
    "StopTrainingJob": stop_training_job,
    "ListTrainingJobs": list_training_jobs,
}
