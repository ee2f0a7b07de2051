"""A model that misbehaves, or is asked for the wrong thing, harms nobody's rows but its own."""

import httpx
import pytest
from penstock.resources import physical_name
from penstock_local.demo.scenario import Json
from penstock_local.environment import PREFIX
from penstock_local.plant.layout import DEADBANDS

from tests.e2e.doomed_jobs import Jobs, job_on
from tests.e2e.doors import PUMPS, SITE, Doors, now
from tests.e2e.messages import Queues, aws_client
from tests.e2e.training import wait_for_end
from tests.fixtures.waiting import wait_until

pytestmark = pytest.mark.usefixtures("jobs")

FEATURES = len(DEADBANDS)


def test_rows_of_a_model_that_answers_garbage_wait_until_it_speaks_again(
    doors: Doors, model: str
) -> None:
    *_, (asset, prefix) = PUMPS.prefixes.items()
    faults = f"{doors.stack.endpoint('sagemaker')}/_penstock/faults"
    garbage = [{"kind": "garbage", "endpoint": physical_name(PREFIX, model)}]
    httpx.put(faults, json=garbage).raise_for_status()
    try:
        doors.send_scan(prefix)
        queues = Queues(aws_client(doors.stack, "sqs"))
        wait_until(
            lambda: queues.count("deferred") > 0, "the row is deferred",
            every_seconds=0.1,
        )  # fmt: skip
        assert not doors.predicted(asset)
    finally:
        httpx.delete(faults).raise_for_status()

    doors.wait_for_prediction(asset)


def test_a_sequence_of_the_wrong_length_dies_alone(doors: Doors, model: str) -> None:
    right, wrong = (f"/{PUMPS.site_name}/sensor-of-{n}" for n in (FEATURES, FEATURES - 2))

    answer = doors.post([sequence(right, model, FEATURES), sequence(wrong, model, FEATURES - 2)])

    assert (answer.status_code, answer.json()["accepted"]) == (200, 2)
    doors.wait_for_prediction(right)
    letter = doors.dead_letter(f"trained with {FEATURES}")
    assert wrong in letter["body"]
    assert right not in letter["body"]
    assert not doors.predicted(wrong)


def sequence(sensor: str, model: str, length: int) -> Json:
    at = round(now().timestamp() * 1000)
    return {"timestamp": at, "sensor": sensor, "model": model, "data": [70.0] * length}


def test_an_endpoint_that_does_not_exist_leaves_dead_letters_naming_it(
    doors: Doors, jobs: Jobs
) -> None:
    """Somebody deletes an endpoint by hand, behind a binding's back."""
    dataset = wait_for_end(doors.penstock, jobs.right)["dataset_id"]
    name = f"{PUMPS.name}-gone"
    job = doors.penstock.jobs.start(job_on(dataset, name))
    assert wait_for_end(doors.penstock, job["job_id"])["status"] == "COMPLETED"
    asset = "P-orphan"
    prefix = f"/{PUMPS.site_name}/{asset}"
    doors.penstock.assets.put(asset, {"site": SITE, "asset_type": name, "prefixes": [prefix]})
    binding = {"applies_to": {"asset_type": name}, "model": {"name": name}}
    doors.penstock.bindings.put(name, binding)
    endpoint = physical_name(PREFIX, name)
    sagemaker = aws_client(doors.stack, "sagemaker", part="sagemaker")
    sagemaker.delete_endpoint(EndpointName=endpoint)
    wait_until(
        lambda: not sagemaker.list_endpoints(NameContains=endpoint)["Endpoints"],
        "the endpoint is gone", every_seconds=0.2,
    )  # fmt: skip

    def dies() -> bool:
        # Until the worker knows the new binding, its readings are nobody's.
        doors.send_scan(prefix)
        return any(endpoint in one["reason"] for one in doors.penstock.dead_letters.list())

    wait_until(dies, f"a dead letter names {endpoint}", every_seconds=1.0)
    letter = doors.dead_letter(endpoint)
    assert asset in letter["body"]
