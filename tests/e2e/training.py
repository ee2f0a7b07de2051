"""What tests ask about training jobs, through the public API and the stack's own SageMaker."""

from collections.abc import Callable
from dataclasses import dataclass

import httpx
from boto3.dynamodb.conditions import Key
from penstock.channels.slices import CHANNEL, VERSION, SliceMessage
from penstock.domain.time import Micros, parse_iso
from penstock.resources import SLICES, TRAINING, physical_name
from penstock_client.errors import ApiError, Unreachable
from penstock_client.sdk import FINAL, Penstock
from penstock_local.demo.scenario import Json
from penstock_local.environment import PREFIX

from tests.e2e.messages import Stack, aws_client, aws_resource
from tests.fixtures.waiting import PATIENCE_SECONDS, wait_until


def wait_for_job(
    penstock: Penstock,
    job_id: str,
    holds: Callable[[Json], bool],
    claim: str,
    *,
    seconds: float = PATIENCE_SECONDS,
) -> Json:
    """Read a job until something holds of it, also while its API is away; return it as it is."""
    found: Json = {}

    def looks_so() -> bool:
        try:
            found.update(penstock.jobs.get(job_id))
        except Unreachable:
            return False
        except ApiError as error:
            if error.status < 500:
                raise
            return False
        return holds(found)

    try:
        wait_until(looks_so, f"job {job_id}: {claim}", seconds=seconds, every_seconds=0.1)
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {found}") from None
    return found


def wait_for_end(penstock: Penstock, job_id: str, *, seconds: float = 300.0) -> Json:
    """Wait until a job is over, however it ended."""
    return wait_for_job(
        penstock, job_id, lambda job: job["status"] in FINAL, "it is over", seconds=seconds
    )


@dataclass(frozen=True, slots=True)
class Traces:
    """What a job has left in the account."""

    trainings: list[Json]
    programs_started: int
    slices: list[Json]
    objects: dict[str, str]
    executions: int


def traces_of(stack: Stack, job: Json) -> Traces:
    """Look everything up that a job of one run leaves behind."""
    sagemaker = aws_client(stack, "sagemaker", part="sagemaker")
    listed = sagemaker.list_training_jobs(NameContains=job["job_id"])["TrainingJobSummaries"]
    trainings = [
        sagemaker.describe_training_job(TrainingJobName=one["TrainingJobName"]) for one in listed
    ]
    for answer in trainings:
        del answer["ResponseMetadata"]
    return Traces(
        trainings=trainings,
        programs_started=sum(_programs_started(one) for one in trainings),
        slices=_slices(stack, job),
        objects=_raw_objects(stack, job),
        executions=_executions(stack, job),
    )


def training_log(stack: Stack, training_name: str) -> str:
    """What the program of a training wrote."""
    url = f"{stack.endpoint('sagemaker')}/_penstock/logs/training-jobs/{training_name}"
    return httpx.get(url).raise_for_status().text


def _programs_started(training: Json) -> int:
    return sum(one["Status"] == "Training" for one in training["SecondaryStatusTransitions"])


def slice_message(job: Json, item: Json) -> str:
    """The message that once asked for a slice."""
    message = SliceMessage(
        version=VERSION,
        id=f"again-{item['slice_id']}",
        created_at=Micros(0),
        job_id=job["job_id"],
        run=job["run"],
        slice_id=item["slice_id"],
        source=job["body"]["dataset"]["source"],
        since=parse_iso(item["since"]),
        until=parse_iso(item["until"]),
        tags=item["tags"],
        page_size=int(item["page_size"]),
    )
    return CHANNEL.encode(message)


def _slices(stack: Stack, job: Json) -> list[Json]:
    """Every slice that the job ever had, as it is kept."""
    table = aws_resource(stack, "dynamodb").Table(physical_name(PREFIX, SLICES.name))
    condition = Key("job_run").eq(f"{job['job_id']}#1")
    answer = table.query(KeyConditionExpression=condition, ConsistentRead=True)
    assert "LastEvaluatedKey" not in answer, "more slices than one page"
    return list(answer["Items"])


def _raw_objects(stack: Stack, job: Json) -> dict[str, str]:
    pages = (
        aws_client(stack, "s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=physical_name(PREFIX, TRAINING.name), Prefix=f"raw/{job['job_id']}/")
    )
    return {found["Key"]: found["ETag"] for page in pages for found in page.get("Contents", [])}


def _executions(stack: Stack, job: Json) -> int:
    machines = aws_client(stack, "stepfunctions")
    found = machines.list_state_machines()["stateMachines"]
    (arn,) = [one["stateMachineArn"] for one in found if one["name"].startswith(PREFIX)]
    pages = machines.get_paginator("list_executions").paginate(stateMachineArn=arn)
    return sum(
        one["name"].startswith(job["job_id"]) for page in pages for one in page["executions"]
    )
