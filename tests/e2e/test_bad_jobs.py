"""Jobs that cannot end well fail with a reason that names what to mend."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from penstock.resources import TRAINING, physical_name
from penstock_local.environment import PREFIX
from penstock_local.plant.layout import DEADBANDS, LABEL
from penstock_local.stack import PenstockStack

from tests.e2e.doomed_jobs import Jobs, job_on, short_job
from tests.e2e.doors import HEALTHY, PUMPS, Doors
from tests.e2e.messages import aws_client
from tests.e2e.training import wait_for_end, wait_for_job


def test_a_source_that_refuses_fails_the_job_until_it_is_healthy_again(
    doors: Doors, jobs: Jobs
) -> None:
    job = wait_for_end(doors.penstock, jobs.locked_out)
    assert job["status"] == "FAILED"
    assert "answered 403" in job["reason"]
    assert f"/v1/jobs/{jobs.locked_out}/retry" in job["reason"]
    httpx.delete(f"{doors.locked_url}/_penstock/faults").raise_for_status()

    doors.penstock.jobs.retry(jobs.locked_out)

    again = wait_for_end(doors.penstock, jobs.locked_out)
    assert (again["status"], again["run"]) == ("COMPLETED", 2), again["reason"]


def test_a_source_that_leads_to_instance_metadata_fails_the_job_naming_it(
    doors: Doors, jobs: Jobs
) -> None:
    job = wait_for_end(doors.penstock, jobs.lured)

    assert job["status"] == "FAILED"
    assert "169.254.169.254" in job["reason"]


def test_a_label_that_no_tag_has_fails_the_job_naming_the_tags_that_exist(
    doors: Doors, jobs: Jobs
) -> None:
    job = wait_for_end(doors.penstock, jobs.mislabelled)

    assert job["status"] == "FAILED"
    for word in ("FAILUR", LABEL, *DEADBANDS):
        assert word in job["reason"]


def test_a_training_that_crashes_fails_the_job_in_the_words_of_its_program(
    doors: Doors, jobs: Jobs
) -> None:
    job = wait_for_end(doors.penstock, jobs.crashing)

    assert job["status"] == "FAILED"
    assert "max_depth" in job["reason"]
    assert "max_depth" in doors.penstock.jobs.logs(jobs.crashing)


def test_a_raw_page_that_is_gone_fails_the_job_naming_it(doors: Doors) -> None:
    s3, bucket = aws_client(doors.stack, "s3"), physical_name(PREFIX, TRAINING.name)
    with held_still(doors.stack, "training-preparer"):
        job_id = doors.penstock.jobs.start(short_job(HEALTHY))["job_id"]
        wait_for_job(
            doors.penstock, job_id, lambda job: job["status"] == "PREPARING", "is prepared"
        )
        found = s3.list_objects_v2(Bucket=bucket, Prefix=f"raw/{job_id}/")["Contents"]
        page = next(f["Key"] for f in found if "00000" in f["Key"] and "meta" not in f["Key"])
        s3.delete_object(Bucket=bucket, Key=page)

    job = wait_for_end(doors.penstock, job_id)

    assert job["status"] == "FAILED"
    assert page in job["reason"]


@contextmanager
def held_still(stack: PenstockStack, part: str) -> Iterator[None]:
    """Keep a part from doing anything for a while."""
    pid = stack.pid(part)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_dataset_whose_file_is_gone_fails_the_job_naming_it(doors: Doors, jobs: Jobs) -> None:
    dataset = wait_for_end(doors.penstock, jobs.crashing)["dataset_id"]
    s3, bucket = aws_client(doors.stack, "s3"), physical_name(PREFIX, TRAINING.name)
    s3.delete_object(Bucket=bucket, Key=f"datasets/{dataset}/train/part-0.csv")

    job_id = doors.penstock.jobs.start(job_on(dataset, f"{PUMPS.name}-late"))["job_id"]

    job = wait_for_end(doors.penstock, job_id)
    assert job["status"] == "FAILED"
    assert f"datasets/{dataset}/train/" in job["reason"]
