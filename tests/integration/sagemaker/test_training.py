"""Training jobs, asked for with boto3, run for real."""

import json
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from tests.integration.sagemaker.account import (
    BUCKET,
    Account,
    channel,
    job_request,
    new_name,
    read_archive,
)
from tests.integration.sagemaker.servers import Server


def secondaries(job: dict[str, Any]) -> list[str]:
    return [entry["Status"] for entry in job["SecondaryStatusTransitions"]]


def wait_until_hanging(server: Server, name: str) -> None:
    server.wait_for_log(f"training-jobs/{name}", b"hanging")


def test_job_trains_on_its_channel_and_uploads_the_model(account: Account) -> None:
    name = account.create_job()

    job = account.wait_for_job(name)

    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Completed"
    expected = ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert secondaries(job) == expected
    url = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert url == f"s3://{BUCKET}/trained/{name}/output/model.tar.gz"
    assert read_archive(account.get(url))["model.json"]["mean"] == 2.0
    assert job["TrainingStartTime"] <= job["TrainingEndTime"]


def test_transitions_follow_one_another_without_a_gap(account: Account) -> None:
    job = account.wait_for_job(account.create_job())

    entries = job["SecondaryStatusTransitions"]
    for earlier, later in pairwise(entries):
        assert earlier["EndTime"] == later["StartTime"]
    assert all(entry["StatusMessage"] for entry in entries)


def test_program_finds_what_the_contract_promises(account: Account) -> None:
    name = account.create_job(HyperParameters={"num_round": "10"}, Environment={"PLANT": "boiler"})

    job = account.wait_for_job(name)

    archive = account.get(job["ModelArtifacts"]["S3ModelArtifacts"])
    seen = read_archive(archive)["model.json"]["seen"]
    assert seen["config"]["hyperparameters.json"] == {"num_round": "10"}
    assert seen["config"]["inputdataconfig.json"]["train"]["ContentType"] == "text/csv"
    assert seen["config"]["resourceconfig.json"]["hosts"] == ["algo-1"]
    prefix = "input/data/train"
    assert seen["files"] == [f"{prefix}/deeper/part-2.csv", f"{prefix}/part-1.csv"]
    environment = seen["environment"]
    assert environment["TRAINING_JOB_NAME"] == name
    assert environment["TRAINING_JOB_ARN"] == job["TrainingJobArn"]
    assert environment["PLANT"] == "boiler"
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"
    assert environment["SAGEMAKER_BASE_DIR"] == seen["base"]


def test_same_training_makes_the_same_bytes(account: Account) -> None:
    def train() -> bytes:
        name = account.create_job(HyperParameters={"report": "all is well"})
        account.wait_for_job(name)
        return account.get(f"s3://{BUCKET}/trained/{name}/output/output.tar.gz")

    assert train() == train()


def test_other_output_is_uploaded_only_where_there_is_any(account: Account) -> None:
    name = account.create_job(HyperParameters={"report": "all is well"})
    silent = account.create_job()
    account.wait_for_job(name)
    account.wait_for_job(silent)

    packed = account.get(f"s3://{BUCKET}/trained/{name}/output/output.tar.gz")
    assert read_archive(packed) == {"report.txt": "all is well"}
    with pytest.raises(ClientError, match="NoSuchKey"):
        account.get(f"s3://{BUCKET}/trained/{silent}/output/output.tar.gz")


def test_last_value_of_each_metric_is_reported(account: Account) -> None:
    job = account.wait_for_job(account.create_job())

    [metric] = job["FinalMetricDataList"]
    assert metric["MetricName"] == "validation:rmse"
    assert metric["Value"] == pytest.approx(0.6667)


def test_failure_file_becomes_the_reason(account: Account) -> None:
    name = account.create_job(HyperParameters={"fail": "Customer Error: num_round is missing"})

    with pytest.raises(WaiterError):
        account.wait_for_job(name)

    job = account.describe_job(name)
    assert job["TrainingJobStatus"] == "Failed"
    text = "AlgorithmError: Customer Error: num_round is missing, exit code: 1"
    assert job["FailureReason"] == text


def test_crash_without_a_failure_file_tells_the_last_words(account: Account) -> None:
    name = account.create_job(HyperParameters={"crash": "7"})

    with pytest.raises(WaiterError):
        account.wait_for_job(name)

    reason = account.describe_job(name)["FailureReason"]
    assert reason == "AlgorithmError: about to crash, exit code: 7"


def test_empty_prefix_fails_the_job_as_the_clients_fault(account: Account) -> None:
    channels = [channel("train", f"s3://{BUCKET}/nothing/here")]
    name = account.create_job(InputDataConfig=channels)

    with pytest.raises(WaiterError):
        account.wait_for_job(name)

    reason = account.describe_job(name)["FailureReason"]
    assert reason.startswith("ClientError: Data download failed: No S3 objects found")


def test_log_is_served_as_text_and_can_be_followed(account: Account, server: Server) -> None:
    name = account.create_job()
    account.wait_for_job(name)

    path = f"/_penstock/logs/training-jobs/{name}"
    status, text = server.ask("GET", path)
    _, rest = server.ask("GET", f"{path}?offset={len(text) - 5}")

    assert status == 200
    assert text.startswith(b"[0]\tvalidation-rmse:2.0000\n")
    assert rest == text[-5:]
    assert server.ask("GET", "/_penstock/logs/training-jobs/no-such-job")[0] == 404


def test_stopped_program_may_still_save_its_model(account: Account, server: Server) -> None:
    name = account.create_job(HyperParameters={"hang": "true"})
    wait_until_hanging(server, name)

    account.sagemaker.stop_training_job(TrainingJobName=name)

    assert account.describe_job(name)["TrainingJobStatus"] in {"Stopping", "Stopped"}
    job = account.wait_for_job(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert "Stopping" in secondaries(job)
    archive = account.get(job["ModelArtifacts"]["S3ModelArtifacts"])
    assert read_archive(archive)["model.json"]["partial"] is True


def test_program_that_ignores_sigterm_is_killed_after_the_grace(
    account: Account, server: Server
) -> None:
    name = account.create_job(HyperParameters={"hang": "ignoring-sigterm"})
    wait_until_hanging(server, name)

    account.sagemaker.stop_training_job(TrainingJobName=name)

    job = account.wait_for_job(name)
    assert job["TrainingJobStatus"] == "Stopped"


def test_finished_job_cannot_be_stopped(account: Account) -> None:
    name = account.create_job()
    account.wait_for_job(name)

    with pytest.raises(ClientError) as refused:
        account.sagemaker.stop_training_job(TrainingJobName=name)

    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_job_over_its_time_limit_is_stopped(account: Account) -> None:
    name = account.create_job(
        HyperParameters={"hang": "true"}, StoppingCondition={"MaxRuntimeInSeconds": 1}
    )

    job = account.wait_for_job(name)

    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"


def test_job_name_is_taken_for_ever(account: Account) -> None:
    name = account.create_job()
    account.wait_for_job(name)

    with pytest.raises(account.sagemaker.exceptions.ResourceInUse):
        account.create_job(name=name)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"AlgorithmSpecification": {"TrainingInputMode": "File"}}, id="no image"),
        pytest.param(
            {
                "AlgorithmSpecification": {
                    "TrainingImage": "unheard-of:1",
                    "TrainingInputMode": "File",
                }
            },
            id="unknown image",
        ),
        pytest.param({"TrainingJobName": "bad_name!"}, id="bad name"),
        pytest.param(
            {
                "ResourceConfig": {
                    "InstanceType": "ml.moon.large",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 1,
                }
            },
            id="unknown instance type",
        ),
    ],
)
def test_bad_job_is_refused_before_anything_runs(account: Account, changes: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refused:
        account.sagemaker.create_training_job(**job_request(new_name("job")) | changes)

    assert refused.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize(
    "member", ["AlgorithmSpecification", "ResourceConfig", "StoppingCondition"]
)
def test_members_that_only_the_service_requires_are_required(account: Account, member: str) -> None:
    request = job_request(new_name("job"))
    del request[member]

    with pytest.raises(ClientError, match=member):
        account.sagemaker.create_training_job(**request)


def test_uncompressed_output_is_uploaded_file_by_file(account: Account) -> None:
    output = {"S3OutputPath": f"s3://{BUCKET}/trained", "CompressionType": "NONE"}
    name = account.create_job(OutputDataConfig=output)

    job = account.wait_for_job(name)

    url = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert json.loads(account.get(f"{url}model.json"))["mean"] == 2.0
