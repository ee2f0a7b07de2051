import asyncio

import pytest
from penstock.adapters.memory import MemoryQueue
from penstock.channels.commands import CHANNEL, VERSION, CommandMessage
from penstock.domain.endpoints import EndpointStatus, TrainingStatus
from penstock.domain.errors import EndpointUnavailable, StoreUnavailable
from penstock.domain.jobs import JobStatus
from penstock.domain.time import Micros
from penstock.ports import Delivery, Write
from penstock.resources import JOBS
from training_orchestrator.leases import LeaseHeld
from training_orchestrator.obey import Obey
from training_orchestrator.step import Step, StepAnswer, Workbench

from tests.fixtures.waiting import PATIENCE_SECONDS
from tests.unit.training_orchestrator.running import classify, deploying, job_at
from tests.unit.training_orchestrator.world import STEPS, World

ENDPOINT = "penstock-pump-failure"


async def delivered(world: World, *, step: str, run: int = 1) -> Delivery:
    (job_id,) = next(iter(world.store.items[JOBS.name]))
    message = CommandMessage(
        version=VERSION, id="m", created_at=Micros(0), job_id=str(job_id), run=run, step=step,
        task_token="token-1",
    )  # fmt: skip
    queue = MemoryQueue("commands")
    await queue.publish([CHANNEL.encode(message)])
    (delivery,) = await queue.receive(at_most=1, wait_seconds=0)
    return delivery


async def next_of(queue: MemoryQueue) -> Delivery:
    (delivery,) = await queue.receive(at_most=1, wait_seconds=0)
    return delivery


async def test_a_command_is_done_and_its_token_answered() -> None:
    world = World()
    await job_at(world, JobStatus.TRAINING)
    await world.obey.handle(await delivered(world, step="create_training_job"))
    assert world.tokens.answers == {
        "token-1": {"state": "running", "wait_seconds": 1, "result": "", "reason": ""}
    }


async def test_a_step_that_cannot_go_on_fails_its_task_by_name() -> None:
    world = World()
    await job_at(world, JobStatus.DEPLOYING)
    await world.obey.handle(await delivered(world, step="deploy_endpoint"))
    assert world.tokens.answers["token-1"]["error"] == "InvalidInput"
    assert "no model version" in str(world.tokens.answers["token-1"]["cause"])


@pytest.mark.parametrize(("step", "run"), [("boil_water", 1), ("evaluate_model", 2)])
async def test_an_unknown_step_and_another_run_fail_their_task(step: str, run: int) -> None:
    world = World()
    await job_at(world, JobStatus.TRAINING)
    await world.obey.handle(await delivered(world, step=step, run=run))
    assert world.tokens.answers["token-1"]["error"] == "NotFound"


async def test_an_earlier_run_is_cleaned_up_although_another_has_begun() -> None:
    world = World()
    job = await job_at(world, JobStatus.TRAINING)
    await world.do(job, "create_training_job")
    failed = await world.bench.jobs.move(job, JobStatus.FAILED)
    await world.bench.jobs.next_run(failed, dataset_ready=True)
    await world.obey.handle(await delivered(world, step="clean_up", run=1))
    (training,) = world.trainings.trainings.values()
    assert training.status is TrainingStatus.STOPPING


async def test_the_answer_to_a_token_that_timed_out_is_discarded() -> None:
    world = World()
    await job_at(world, JobStatus.TRAINING)
    world.tokens.timed_out.add("token-1")
    await world.obey.handle(await delivered(world, step="create_training_job"))
    assert world.tokens.answers == {}
    assert len(world.trainings.orders) == 1


async def test_a_job_that_moved_meanwhile_is_looked_at_again() -> None:
    """A stop request comes between the step's read and its write."""
    world = World()
    job = await job_at(world, JobStatus.TRAINING)
    await world.do(job, "create_training_job")
    world.clock.advance(seconds=3 * 3600)
    moved: list[Write] = []

    def move_first(write: Write) -> None:
        if write.table == JOBS.name and not moved:
            moved.append(write)
            item = world.store.items[JOBS.name][(job.job_id,)]
            item["status"] = "STOPPING"

    world.store.on_write = move_first
    delivery = await delivered(world, step="stop_training_job")
    with pytest.raises(StoreUnavailable):
        await world.obey.handle(delivery)
    await world.obey.handle(delivery)
    assert world.tokens.answers["token-1"]["state"] == "stopping"


async def test_a_slow_step_keeps_its_task_alive() -> None:
    world = World()
    await job_at(world, JobStatus.TRAINING)
    beaten = asyncio.Event()

    class Beating:
        async def succeed(self, token: str, output: object) -> None: ...
        async def fail(self, token: str, error: str, cause: str) -> None: ...
        async def heartbeat(self, token: str) -> None:
            beaten.set()

    async def wait_for_a_beat(_bench: Workbench, _job: object) -> StepAnswer:
        await asyncio.wait_for(beaten.wait(), PATIENCE_SECONDS)
        return StepAnswer("done")

    steps = {"slow": Step(wait_for_a_beat)}
    obey = Obey(world.bench, steps, Beating(), world.state.promotions, heartbeat_seconds=0.001)
    await obey.handle(await delivered(world, step="slow"))
    assert beaten.is_set()


async def test_promoting_an_older_version_deploys_it_and_then_makes_it_champion() -> None:
    world = World()
    world.on_invoke[ENDPOINT] = classify
    for _ in range(2):
        job = await deploying(world)
        await world.do(job, "deploy_endpoint")
        world.endpoints.settle(ENDPOINT, EndpointStatus.IN_SERVICE)
        await world.do(job, "deploy_endpoint")
        await world.do(job, "clean_up")
        world.clock.advance(seconds=60)
    version, serves = await world.state.promotions.begin("pump-failure", "v1")
    assert (version.version, serves) == ("v1", False)
    order = await next_of(world.commands)
    with pytest.raises(EndpointUnavailable, match="Updating"):
        await world.obey.handle(order)
    with pytest.raises(LeaseHeld, match="promotion of pump-failure v1"):
        await world.state.promotions.begin("pump-failure", "v2")
    world.endpoints.settle(ENDPOINT, EndpointStatus.IN_SERVICE)
    await world.obey.handle(order)
    assert (await world.bench.registry.get("pump-failure", "champion")).version == "v1"
    _, serves = await world.state.promotions.begin("pump-failure", "v1")
    assert serves


async def test_a_long_promotion_goes_on_as_a_new_message_before_its_queue_gives_up() -> None:
    world = World()
    job = await deploying(world)
    assert job.model_version == "v1"
    await world.state.promotions.begin("pump-failure", "v1")
    order = await next_of(world.commands)
    for _ in range(14):
        await order.nack(0)
        order = await next_of(world.commands)
    await world.obey.handle(order)
    await order.ack()
    assert len(world.commands.bodies) == 1


def test_every_step_has_a_name_that_the_state_machine_uses() -> None:
    assert set(STEPS) == {
        "create_training_job", "describe_training_job", "stop_training_job", "evaluate_model",
        "create_model", "deploy_endpoint", "clean_up",
    }  # fmt: skip
