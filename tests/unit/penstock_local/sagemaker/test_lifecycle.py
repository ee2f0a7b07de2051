from typing import Any

from penstock_local.sagemaker.lifecycle import (
    MAX_REASON,
    begin,
    describe_job,
    enter,
    fail,
    finish,
    new_job,
)
from penstock_local.sagemaker.records import FinalMetric, JobStatus, TrainingJob
from penstock_local.sagemaker.service_model import load_service_models
from penstock_local.sagemaker.shapes import shape_output


def a_job(**request: Any) -> TrainingJob:
    return new_job(
        name="pump-failure-1", arn="arn:job", request={"RoleArn": "r", **request}, tags={}, at=100.0
    )


def secondaries(job: TrainingJob) -> list[tuple[str, float, float | None]]:
    return [(entry.status, entry.started_at, entry.ended_at) for entry in job.transitions]


def test_each_phase_ends_where_the_next_begins() -> None:
    job = begin(a_job(), at=101.0)
    job = enter(job, "Training", at=105.0)

    assert secondaries(job) == [
        ("Starting", 100.0, 101.0),
        ("Downloading", 101.0, 105.0),
        ("Training", 105.0, None),
    ]
    assert job.status is JobStatus.IN_PROGRESS


def test_stop_keeps_its_status_through_the_phases_that_follow() -> None:
    job = enter(begin(a_job(), at=101.0), "Stopping", at=102.0, status=JobStatus.STOPPING)

    uploading = enter(job, "Uploading", at=103.0)
    ended = finish(uploading, "Stopped", at=104.0)

    assert uploading.status is JobStatus.STOPPING
    assert ended.status is JobStatus.STOPPED
    assert secondaries(ended)[-1] == ("Stopped", 104.0, 104.0)


def test_job_out_of_time_is_stopped_and_not_failed() -> None:
    ended = finish(begin(a_job(), at=101.0), "MaxRuntimeExceeded", at=161.0)

    assert (ended.status, ended.secondary) == (JobStatus.STOPPED, "MaxRuntimeExceeded")


def test_reason_fits_the_models_limit() -> None:
    failed = fail(a_job(), "x" * 5000, at=101.0)

    assert failed.failure_reason == "x" * MAX_REASON


def test_description_of_a_running_job_has_no_end() -> None:
    described = describe_job(begin(a_job(), at=101.0))

    assert described["TrainingStartTime"] == 101.0
    assert described["TrainingEndTime"] is None
    assert "ModelArtifacts" not in described
    assert "TrainingTimeInSeconds" not in described


def test_description_of_a_finished_job_is_what_the_model_knows_and_no_more() -> None:
    metric = FinalMetric(name="validation:rmse", value=0.5, at=160.0)
    job = finish(
        begin(a_job(Tags=[{"Key": "plant", "Value": "north"}]), at=101.0),
        "Completed",
        at=161.0,
        artifacts_url="s3://models/model.tar.gz",
        metrics=(metric,),
    )
    output = load_service_models().control_operation("DescribeTrainingJob").output_shape
    assert output is not None

    shaped = shape_output(output, describe_job(job) | {"Secret": "inside"})

    assert shaped["TrainingTimeInSeconds"] == shaped["BillableTimeInSeconds"] == 60
    assert shaped["ModelArtifacts"] == {"S3ModelArtifacts": "s3://models/model.tar.gz"}
    assert shaped["FinalMetricDataList"] == [
        {"MetricName": "validation:rmse", "Value": 0.5, "Timestamp": 160.0}
    ]
    assert not {"Secret", "Tags", "FailureReason"} & shaped.keys()
