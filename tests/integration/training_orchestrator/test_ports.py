"""What the training side asks of the outside world: one suite over memory and the real adapters."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from penstock.adapters.aws import aws_clients
from penstock.adapters.memory import FakeClock
from penstock.adapters.memory_training import (
    MemoryEndpoints,
    MemoryExecutions,
    MemoryTrainingLogs,
    MemoryTrainings,
)
from penstock.adapters.sagemaker import SageMakerEndpoints, SageMakerTrainings
from penstock.adapters.state_machine import StateMachine, TaskTokens, machine_arn
from penstock.adapters.training_logs import LocalTrainingLogs
from penstock.domain.endpoints import (
    Channel,
    EndpointStatus,
    TrainingOrder,
    TrainingStatus,
    Variant,
)
from penstock.domain.errors import Conflict, EndpointUnavailable, InvalidInput
from penstock.domain.time import MINUTE, Micros
from penstock.resources import TRAINING, physical_name
from training_orchestrator.ports import Endpoints, Executions, TrainingLogs, Trainings

from tests.fixtures.waiting import answered
from tests.integration.training_orchestrator.plant import rows

ROLE = "arn:aws:iam::000000000000:role/penstock-training"
IMAGE = "sagemaker-xgboost:3.0-5"
WAITING = {
    "StartAt": "Wait",
    "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}},
}  # fmt: skip


@dataclass
class Places:
    """The ports, and hands where memory needs them."""

    prefix: str
    bucket: str
    trainings: Trainings
    endpoints: Endpoints
    executions: Executions
    logs: TrainingLogs
    train_to_end: Callable[[str, TrainingStatus], Awaitable[None]]
    change_to_end: Callable[[str], Awaitable[None]]

    def order(self, name: str, **parameters: str) -> TrainingOrder:
        root = f"s3://{self.bucket}"
        return TrainingOrder(
            name=name, image=IMAGE,
            channels=(Channel("train", f"{root}/data/train/", "text/csv"),),
            output_uri=f"{root}/models",
            hyperparameters={"num_round": "5", "objective": "binary:logistic", **parameters},
            metric_patterns={"train:logloss": "train-logloss:([0-9.]+)"},
            instance_type="ml.m5.large", instance_count=1, volume_gb=10,
            max_runtime=Micros(10 * MINUTE), tags={"penstock:job": "job-1"},
        )  # fmt: skip


def in_memory() -> Places:
    clock = FakeClock()
    trainings, endpoints, logs = (
        MemoryTrainings(clock),
        MemoryEndpoints(clock),
        MemoryTrainingLogs(),
    )

    async def train_to_end(name: str, status: TrainingStatus) -> None:
        trainings.finish(name, status, failure_reason="AlgorithmError: as asked")
        logs.by_name[name] = ["[0]\ttrain-logloss:0.5"]

    async def change_to_end(name: str) -> None:
        endpoints.settle(name, EndpointStatus.IN_SERVICE)

    return Places(
        "t", "b", trainings, endpoints, MemoryExecutions(), logs, train_to_end, change_to_end
    )


async def real(stack: AsyncExitStack, prefix: str, logs_url: str) -> Places:
    clients = await stack.enter_async_context(aws_clients("eu-west-1"))
    sagemaker = await clients.client("sagemaker")
    trainings = SageMakerTrainings(sagemaker, ROLE)
    endpoints = SageMakerEndpoints(sagemaker, ROLE)
    arn = machine_arn(f"{prefix}-ports", region="eu-west-1", account="000000000000")
    machine = StateMachine(await clients.client("stepfunctions"), arn)
    await machine.ensure(json.dumps(WAITING), ROLE)
    await machine.ensure(json.dumps({**WAITING, "Comment": "newer"}), ROLE)
    bucket = physical_name(prefix, TRAINING.name)
    s3: Any = await clients.s3()
    await s3.put_object(Bucket=bucket, Key="data/train/part-0.csv", Body=rows(200, seed=1))

    async def train_to_end(name: str, status: TrainingStatus) -> None:
        async def is_over() -> bool:
            training = await trainings.describe(name)
            return training is not None and training.status is status

        await answered(is_over, f"training is {status}")

    async def change_to_end(name: str) -> None:
        async def is_over() -> bool:
            endpoint = await endpoints.describe(name)
            return endpoint is not None and not endpoint.status.is_changing

        await answered(is_over, "the change is over")

    logs = LocalTrainingLogs(logs_url)
    return Places(prefix, bucket, trainings, endpoints, machine, logs, train_to_end, change_to_end)


@pytest.fixture(params=["memory", "real"])
async def places(request: pytest.FixtureRequest) -> AsyncIterator[Places]:
    if request.param == "memory":
        yield in_memory()
        return
    prefix = request.getfixturevalue("prefix")
    url = request.getfixturevalue("sagemaker_url")
    async with AsyncExitStack() as stack:
        yield await real(stack, prefix, url)


async def test_a_training_runs_under_its_name_once(places: Places) -> None:
    name = f"{places.prefix}-one"
    assert await places.trainings.describe(name) is None
    assert [line async for line in places.logs.lines(name)] == []
    await places.trainings.start(places.order(name))
    with pytest.raises(Conflict):
        await places.trainings.start(places.order(name))
    await places.train_to_end(name, TrainingStatus.COMPLETED)
    training = await places.trainings.describe(name)
    assert training is not None
    assert training.output_uri == f"s3://{places.bucket}/models"
    assert training.artefact.startswith(f"s3://{places.bucket}/models/{name}/")
    assert training.created_at is not None
    await places.trainings.stop(name)  # one that is over stays as it is
    assert (await places.trainings.describe(name)) == training
    assert any("train-logloss" in line for line in [x async for x in places.logs.lines(name)])


async def test_a_training_that_fails_says_why(places: Places) -> None:
    name = f"{places.prefix}-bad"
    await places.trainings.start(places.order(name, objective="no:such"))
    await places.train_to_end(name, TrainingStatus.FAILED)
    training = await places.trainings.describe(name)
    assert training is not None
    assert training.failure_reason.startswith("AlgorithmError")


async def test_a_training_is_stopped(places: Places) -> None:
    name = f"{places.prefix}-stopped"
    await places.trainings.stop(name)  # none yet is fine
    await places.trainings.start(places.order(name, num_round="500000"))
    await places.trainings.stop(name)
    training = await places.trainings.describe(name)
    assert training is not None
    assert training.status in {TrainingStatus.STOPPING, TrainingStatus.STOPPED}
    await places.train_to_end(name, TrainingStatus.STOPPED)


async def trained_model(places: Places, *names: str) -> None:
    name = f"{places.prefix}-model"
    await places.trainings.start(places.order(name))
    await places.train_to_end(name, TrainingStatus.COMPLETED)
    training = await places.trainings.describe(name)
    assert training is not None
    for model in names:
        for _ in range(2):
            artefact = training.artefact
            await places.endpoints.ensure_model(model, image=IMAGE, artefact=artefact)


async def test_an_endpoint_is_made_changed_and_removed_whole(places: Places) -> None:
    one, two, endpoint = (f"{places.prefix}-{name}" for name in ("v1", "v2", "endpoint"))
    await trained_model(places, one, two, endpoint)
    for config, version in ((one, "v1"), (two, "v2"), (endpoint, "v3")):
        for _ in range(2):
            variant = Variant(version, config, "ml.m5.large")
            await places.endpoints.ensure_config(config, [variant])
    assert await places.endpoints.describe(endpoint) is None
    await places.endpoints.create(endpoint, one)
    await places.endpoints.create(endpoint, one)
    creating = await places.endpoints.describe(endpoint)
    assert creating is not None
    assert creating.changed_at is not None
    await places.change_to_end(endpoint)

    await places.endpoints.update(endpoint, two)
    with pytest.raises(Conflict):
        await places.endpoints.update(endpoint, one)
    with pytest.raises(EndpointUnavailable):
        await places.endpoints.remove(endpoint)
    await places.change_to_end(endpoint)
    served = await places.endpoints.describe(endpoint)
    assert served is not None
    assert (served.status, served.config) == (EndpointStatus.IN_SERVICE, two)
    assert [variant.name for variant in served.variants] == ["v2"]

    await places.endpoints.remove(endpoint)
    await places.endpoints.remove(endpoint)

    async def is_gone() -> bool:
        return await places.endpoints.describe(endpoint) is None

    assert await answered(is_gone, "the endpoint is gone")


async def test_what_can_never_be_made_is_refused(places: Places) -> None:
    missing = Variant("v1", f"{places.prefix}-nothing", "ml.m5.large")
    with pytest.raises(InvalidInput):
        await places.endpoints.ensure_config(f"{places.prefix}-wrong", [missing])
    with pytest.raises(InvalidInput):
        await places.endpoints.create(f"{places.prefix}-none", f"{places.prefix}-no-config")


async def test_an_execution_is_started_once_and_adopted_by_its_own_alone(places: Places) -> None:
    payload: dict[str, object] = {"job_id": "job-1", "run": 1}
    assert await places.executions.status("job-1-1") is None
    for _ in range(2):
        await places.executions.start("job-1-1", payload)
    assert await places.executions.status("job-1-1") == "RUNNING"
    with pytest.raises(Conflict, match="something else"):
        await places.executions.start("job-1-1", {**payload, "job_id": "job-2"})


async def test_a_token_that_nobody_waits_for_refuses_its_answer(prefix: str) -> None:
    async with aws_clients("eu-west-1") as clients:
        tokens = TaskTokens(await clients.client("stepfunctions"))
        for answer in (
            tokens.succeed("gone", {}), tokens.fail("gone", "E", "c"), tokens.heartbeat("gone"),
        ):  # fmt: skip
            with pytest.raises(Conflict, match="given up"):
                await answer
