"""The composition root: what the orchestrator owns, in which order it opens and closes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from penstock import model_types
from penstock.adapters.aws import AwsClients, aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.issuer import HttpIssuer
from penstock.adapters.model_host import open_model_host
from penstock.adapters.s3 import S3ObjectStore
from penstock.adapters.sagemaker import SageMakerEndpoints, SageMakerTrainings
from penstock.adapters.sqs import open_publisher, open_receiver, queue_url
from penstock.adapters.state_machine import StateMachine, TaskTokens, machine_arn
from penstock.adapters.training_logs import CloudWatchTrainingLogs, LocalTrainingLogs
from penstock.channels import commands, prepare, slices
from penstock.model_type import ModelType
from penstock.plugins import discover
from penstock.ports import Receiver
from penstock.registry import ModelRegistry
from penstock.resources import JOBS, STATE_MACHINE, TRAINING, physical_name
from penstock.runtime import auth, http
from penstock.runtime.clock import SystemClock, new_id
from penstock.runtime.consumer import Consumer
from penstock.runtime.dead_letter_limit import DeadLetterLimit
from penstock.runtime.http import Check
from penstock.runtime.lifecycle import Stop, owned_task, run_service, stop_on_signals
from penstock.runtime.logging import configure_logging
from penstock.runtime.oidc import tokens_of
from penstock.runtime.span_export import TracedProcess
from penstock.runtime.telemetry import Metrics

from training_orchestrator.api import Doors, build_app, obedience, wire
from training_orchestrator.datasets_store import DatasetsStore
from training_orchestrator.dependencies import State
from training_orchestrator.job_trace import job_trace_in
from training_orchestrator.jobs_store import JobsStore
from training_orchestrator.leases import Leases
from training_orchestrator.obey import Obey
from training_orchestrator.ports import TrainingLogs
from training_orchestrator.settings import Settings
from training_orchestrator.state_machine import render
from training_orchestrator.step import Workbench
from training_orchestrator.sweep import Sweeper
from training_orchestrator.versions import Versions

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

_COMMANDS = commands.CHANNEL.queues[0]


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    configure_logging(settings, "training-orchestrator")
    run_service(create_app(settings), settings)


def create_app(settings: Settings) -> FastAPI:
    """Wire the orchestrator; nothing is opened before the lifespan starts."""
    checks: dict[str, Check] = {}
    metrics = Metrics("training-orchestrator")
    traced = TracedProcess(settings, "training-orchestrator", metrics)
    clock = SystemClock()
    people = tokens_of(settings.oidc, HttpIssuer(settings.oidc.issuer), clock, metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(traced.close)
            if people is not None:
                stack.push_async_callback(people.close)
            app.state.orchestrator = await _open(settings, stack, traced, checks)
            yield

    app = build_app(lifespan)
    auth.install_tokens(app.state, settings.api_tokens, people)
    http.install(app, clock=clock, metrics=metrics, checks=checks, tracing=traced.tracing)
    return app


async def _open(
    settings: Settings,
    stack: AsyncExitStack,
    traced: TracedProcess,
    checks: dict[str, Check],
) -> State:
    prefix = settings.name_prefix
    clients = await stack.enter_async_context(aws_clients(settings.region))
    sqs = await clients.sqs()
    bench = await _workbench(settings, clients)
    machine_client = await clients.client("stepfunctions")
    machine = StateMachine(machine_client, _machine_arn(settings))
    if settings.manages_state_machine:
        await machine.ensure(await _definition(prefix, sqs), settings.role_arn)
    doors = Doors(
        slices=await open_publisher(sqs, physical_name(prefix, slices.CHANNEL.name)),
        commands=await open_publisher(sqs, physical_name(prefix, commands.CHANNEL.name)),
        executions=machine,
        logs=await _logs(settings, clients),
    )
    stop = Stop()
    stack.enter_context(stop_on_signals(stop))
    state = wire(bench, doors, stop)
    receiver = await _receiver(settings, sqs)
    handler = obedience(state, TaskTokens(machine_client))
    consumer = _consumer(settings, receiver, handler, traced, stop=stop)
    await stack.enter_async_context(owned_task(consumer.run(), name="commands.consumer", stop=stop))
    sweeper = Sweeper(
        bench.jobs, state.distributor, machine, bench.leases, bench.clock,
        holder=f"orchestrator {new_id(bench.clock)}",
        sweep_seconds=settings.sweep_seconds, stalled_seconds=settings.stalled_seconds,
    )  # fmt: skip
    await stack.enter_async_context(owned_task(sweeper.run(stop), name="sweeper", stop=stop))
    # All are told at once: one after another, each would wait out its long poll.
    stack.callback(stop.set)
    checks["dynamodb"] = lambda: _tables_answer(bench)
    return state


async def _workbench(settings: Settings, clients: AwsClients) -> Workbench:
    clock = SystemClock()
    store = DynamoStore(await clients.dynamodb(), settings.name_prefix)
    sagemaker = await clients.client("sagemaker")
    bucket = physical_name(settings.name_prefix, TRAINING.name)
    return Workbench(
        settings=settings,
        store=store,
        jobs=JobsStore(store, clock),
        datasets=DatasetsStore(store, clock),
        registry=ModelRegistry(store),
        model_types=discover(
            model_types, attribute="MODEL_TYPE", kind=ModelType, group="penstock.model_types"
        ),
        trainings=SageMakerTrainings(sagemaker, settings.role_arn, key_arn=settings.volume_key_arn),
        endpoints=SageMakerEndpoints(sagemaker, settings.role_arn, key_arn=settings.volume_key_arn),
        models=await open_model_host(clients),
        objects=S3ObjectStore(await clients.s3(), bucket),
        bucket=bucket,
        leases=Leases(store, clock),
        versions=Versions(store),
        clock=clock,
    )


async def _logs(settings: Settings, clients: AwsClients) -> TrainingLogs:
    if settings.local_logs_url is not None and settings.environment == "local":
        return LocalTrainingLogs(settings.local_logs_url)
    return CloudWatchTrainingLogs(await clients.client("logs"))


async def _definition(prefix: str, sqs: "SQSClient") -> str:
    return render(
        jobs_table=physical_name(prefix, JOBS.name),
        commands_queue_url=await queue_url(sqs, physical_name(prefix, _COMMANDS.name)),
        prepare_queue_url=await queue_url(sqs, physical_name(prefix, prepare.CHANNEL.name)),
    )


def _machine_arn(settings: Settings) -> str:
    name = physical_name(settings.name_prefix, STATE_MACHINE)
    return machine_arn(name, region=settings.region, account=settings.account)


async def _receiver(settings: Settings, sqs: "SQSClient") -> Receiver:
    prefix = settings.name_prefix
    return await open_receiver(
        sqs,
        queue=physical_name(prefix, _COMMANDS.name),
        dead_letter_queue=physical_name(prefix, _COMMANDS.dead_letter_name),
    )


def _consumer(
    settings: Settings,
    receiver: Receiver,
    handler: Obey,
    traced: TracedProcess,
    *,
    stop: Stop,
) -> Consumer:
    return Consumer(
        receiver,
        handler.handle,
        queue=_COMMANDS.name,
        stop=stop,
        metrics=traced.metrics,
        concurrency=settings.commands_concurrency,
        visibility_seconds=_COMMANDS.visibility_seconds,
        wait_seconds=settings.receive_wait_seconds,
        drain_seconds=settings.drain_seconds,
        may_die=DeadLetterLimit(share=settings.dead_letter_share, least=settings.dead_letter_least),
        tracing=traced.tracing,
        trace_of=job_trace_in,
    )


async def _tables_answer(bench: Workbench) -> None:
    await bench.store.get(JOBS.name, {"job_id": "-"})
