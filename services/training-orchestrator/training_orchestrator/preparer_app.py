"""Command `training-preparer`: what the process owns, in which order it opens and closes."""

from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI
from penstock import model_types
from penstock.adapters.aws import aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.s3 import S3ObjectStore
from penstock.adapters.sqs import open_receiver
from penstock.adapters.state_machine import TaskTokens
from penstock.adapters.task_protection import AGENT_VARIABLE, open_task_protection
from penstock.channels.prepare import CHANNEL
from penstock.model_type import ModelType
from penstock.plugins import discover
from penstock.ports import Delivery, TaskProtection
from penstock.resources import DATASETS, TRAINING, physical_name
from penstock.runtime.consumer import Handle
from penstock.runtime.lifecycle import run_service
from penstock.runtime.logging import configure_logging
from penstock.runtime.settings import ConsumerSettings
from penstock.source_settings import SourceStore
from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from training_orchestrator.datasets_store import DatasetsStore
from training_orchestrator.job_trace import job_trace_in
from training_orchestrator.jobs_store import JobsStore
from training_orchestrator.one_consumer import Process, application
from training_orchestrator.prepare import PrepareLimits, Preparer
from training_orchestrator.slices_store import SlicesStore


class PreparerSettings(ConsumerSettings):
    """Defaults fit the embedded stack."""

    model_config = SettingsConfigDict(
        env_prefix="TRAINING_PREPARER_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    port: int = 8087
    """Port to listen on."""
    concurrency: Annotated[int, Field(ge=1, le=8)] = 1
    """Datasets at once; each has a process of its own."""
    memory_mb: Annotated[int, Field(ge=128)] = 1_024
    """What DuckDB may take for one dataset; beyond it, it spills to `work_dir`."""
    work_dir: Path | None = None
    """Folder for what does not fit into memory; the system's own otherwise."""
    heartbeat_seconds: Annotated[float, Field(gt=0)] = 15.0
    """How often the state machine hears that the work goes on."""
    agent_uri: Annotated[
        str | None, Field(validation_alias=AliasChoices("agent_uri", AGENT_VARIABLE))
    ] = None
    """Where ECS is asked to spare the task; ECS itself sets it."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Receives of an order after which a process that died fails the job."""

    @property
    def limits(self) -> PrepareLimits:
        """What one preparation may take."""
        return PrepareLimits(self.memory_mb, self.work_dir, self.heartbeat_seconds, self.attempts)


def create_app(settings: PreparerSettings) -> FastAPI:
    """Wire a preparer; nothing is opened before the lifespan starts."""
    return application("training-preparer", settings, partial(_start, settings))


async def _start(settings: PreparerSettings, process: Process) -> None:
    clock = process.clock
    aws = await process.stack.enter_async_context(aws_clients(settings.region))
    store = DynamoStore(await aws.dynamodb(), settings.name_prefix)
    bucket = physical_name(settings.name_prefix, TRAINING.name)
    preparer = Preparer(
        jobs=JobsStore(store, clock),
        slices=SlicesStore(store, clock),
        datasets=DatasetsStore(store, clock),
        sources=SourceStore(store),
        objects=S3ObjectStore(await aws.s3(), bucket),
        tokens=TaskTokens(await aws.client("stepfunctions")),
        model_types=discover(
            model_types, attribute="MODEL_TYPE", kind=ModelType, group="penstock.model_types"
        ),
        metrics=process.traced.metrics,
        limits=settings.limits,
    )
    (queue,) = CHANNEL.queues
    receiver = await open_receiver(
        await aws.sqs(),
        queue=physical_name(settings.name_prefix, queue.name),
        dead_letter_queue=physical_name(settings.name_prefix, queue.dead_letter_name),
    )
    await process.consume(
        queue, receiver, _spared(preparer.handle, open_task_protection(settings.agent_uri)),
        settings=settings, concurrency=settings.concurrency,
        trace_of=job_trace_in,
    )  # fmt: skip

    async def tables_answer() -> None:
        await store.get(DATASETS.name, {"dataset_id": "-"})

    process.checks["dynamodb"] = tables_answer


def _spared(handle: Handle, protection: TaskProtection) -> Handle:
    """A dataset takes minutes: scale-in and deployments shall end other tasks."""

    async def handle_spared(delivery: Delivery) -> None:
        async with protection.held():
            await handle(delivery)

    return handle_spared


def main() -> None:
    """Prepare datasets until told to stop."""
    settings = PreparerSettings()
    configure_logging(settings, "training-preparer")
    run_service(create_app(settings), settings)


if __name__ == "__main__":
    main()
