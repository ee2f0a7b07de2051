"""Kills, replacements and more workers under load: no reading is lost, no prediction doubled."""

from functools import partial

import httpx
import pytest
from penstock.resources import COMMANDS
from penstock_local.demo.plant_scenario import readings_api
from penstock_local.environment import ADMIN_TOKEN

from tests.compose.containers import ComposeStack, Container
from tests.compose.load import PUMPS, Arena, under_load
from tests.compose.training import Trained
from tests.e2e.pumps import Pumps
from tests.e2e.training import wait_for_end
from tests.fixtures.waiting import wait_until

pytestmark = pytest.mark.timeout(1500)

STREAMING = ("ingest-api", "inference-worker", "results-writer", "console")
"""Commands that have to do with a reading on its way, and who people ask meanwhile."""
STAND_INS = ("postgres", "snowflake", "sagemaker", "aws")
MORE_WORKERS = 3


def test_the_front_door_reaches_every_service_of_people(compose_stack: ComposeStack) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    with httpx.Client(base_url=compose_stack.endpoint("front-door"), headers=headers) as client:
        assert client.get("/v1/jobs").status_code == 200  # training-orchestrator
        assert client.get("/v1/gateways").status_code == 200  # console
        assert client.get("/v1/ping").status_code == 401  # ingest-api: this is no gateway's key


@pytest.mark.parametrize(
    ("inward", "why"),
    [("http://aws:4566", "is private"), ("http://127.0.0.1:8086", "is this machine itself")],
)
def test_a_source_can_not_be_pointed_at_the_stack_itself(
    arena: Arena, inward: str, why: str
) -> None:
    penstock = arena.stage.penstock
    body = {"plugin": "paged_json", "base_url": inward, "options": readings_api()}
    penstock.sources.put("inward", body)
    job = PUMPS.job("inward")
    job["model"] = "nobodys-model"
    job["dataset"]["slicing"]["window"] = "20d"

    ended = wait_for_end(penstock, penstock.jobs.start(job)["job_id"])

    assert ended["status"] == "FAILED"
    assert why in ended["reason"]


def test_training_completes_though_each_of_its_services_is_killed(trained: Trained) -> None:
    assert trained.status_at_kill == {
        "training-fetcher": "PULLING",
        "training-preparer": "PREPARING",
        "training-orchestrator": "TRAINING",
    }
    assert trained.job["status"] == "COMPLETED", trained.job["reason"]
    assert trained.job["result"] == "deployed"
    assert trained.job["run"] == 1


def test_no_training_ran_twice_and_no_slice_is_missing(trained: Trained) -> None:
    assert [one["TrainingJobStatus"] for one in trained.traces.trainings] == ["Completed"]
    assert trained.traces.programs_started == 1
    assert trained.traces.executions == 1
    slices = trained.job["slices"]
    assert (slices["open"], slices["failed"]) == (0, 0)
    assert {item["state"] for item in trained.traces.slices} <= {"DONE", "SPLIT"}


@pytest.mark.streams
def test_every_container_is_killed_under_load(arena: Arena, trained: Trained) -> None:
    """The engine leaves a container alone that its own `kill` ended, whatever its policy says; on
    ECS the scheduler starts another one, and here we do.
    """
    with under_load(arena, Pumps("pump-killed", site=6)) as load:
        for service in STREAMING:
            container = arena.stack.container(service)
            container.kill()
            if service != "ingest-api":
                load.goes_on()  # what it would have done waits for it
            container.start()
            container.wait_until_healthy()
            load.goes_on()

    load.assert_nothing_lost_or_doubled()


@pytest.mark.streams
def test_a_program_that_dies_is_started_again_by_the_engine(arena: Arena, trained: Trained) -> None:
    with under_load(arena, Pumps("pump-crashed", site=7)) as load:
        for command in COMMANDS:
            container = arena.stack.container(command.name)
            restarts = container.restarts
            container.crash()
            container.wait_until_restarted(before=restarts)
            container.wait_until_healthy()
        load.goes_on()

    load.assert_nothing_lost_or_doubled()


@pytest.mark.streams
def test_every_container_is_replaced_under_load(arena: Arena, trained: Trained) -> None:
    """As a rollout does it: SIGTERM, and another container with the same name."""
    with under_load(arena, Pumps("pump-replaced", site=8)) as load:
        for command in COMMANDS:
            before = arena.stack.container(command.name)
            arena.stack.compose(
                *("up", "--detach", "--no-deps", "--force-recreate", "--wait", command.name)
            )
            assert arena.stack.container(command.name) != before
            load.goes_on(requests=2)

    load.assert_nothing_lost_or_doubled()


@pytest.mark.streams
def test_workers_share_the_load_and_one_of_them_may_die(arena: Arena, trained: Trained) -> None:
    with under_load(arena, Pumps("pump-shared", site=9)) as load:
        _scale(arena.stack, MORE_WORKERS)
        workers = arena.stack.containers("inference-worker")
        assert len(workers) == MORE_WORKERS
        load.goes_on(requests=20)
        workers[0].kill()
        load.goes_on(requests=20)
        for worker in workers[1:]:
            # Who takes a message that several wait for is chance.
            wait_until(
                partial(_has_worked, worker), f"{worker.id[:12]} has worked",
                seconds=240, every_seconds=0.5,
            )  # fmt: skip
        workers[0].start()
        _scale(arena.stack, 1)

    load.assert_nothing_lost_or_doubled()


def _scale(stack: ComposeStack, count: int) -> None:
    stack.compose(
        *("up", "--detach", "--no-deps", "--no-recreate", "--wait"),
        *("--scale", f"inference-worker={count}", "inference-worker"),
    )


def _has_worked(worker: Container) -> bool:
    return worker.counted("deliveries", port=8084, queue="inference") > 0


@pytest.mark.streams
def test_every_stand_in_is_stopped_and_started_under_load(arena: Arena, trained: Trained) -> None:
    """By SIGTERM, at which they write down what they hold: killed, the stand-in of AWS would lose
    messages of up to ten seconds, which SQS never does.
    """
    with under_load(arena, Pumps("pump-patient", site=10)) as load:
        for service in STAND_INS:
            container = arena.stack.container(service)
            arena.stack.compose("restart", service)
            container.wait_until_healthy()
            load.goes_on()

    load.assert_nothing_lost_or_doubled()
