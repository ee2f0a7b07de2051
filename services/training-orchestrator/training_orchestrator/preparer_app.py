"""Command `training-preparer`: what the process owns, in which order it opens and closes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI
from penstock import model_types
from penstock.adapters.aws import aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.s3 import S3ObjectStore
from penstock.adapters.sqs import open_receiver
from penstock.adapters.state_machine import TaskTokens
from penstock.channels.prepare import CHANNEL
from penstock.model_type import ModelType
from penstock.plugins import discover
from penstock.resources import DATASETS, TRAINING, physical_name
from penstock.runtime import http
from penstock.runtime.clock import SystemClock
from penstock.runtime.consumer import Consumer
from penstock.runtime.http import Check
from penstock.runtime.lifecycle import Stop, owned_task, run_service
from penstock.runtime.logging import configure_logging
from penstock.runtime.settings import ConsumerSettings
from penstock.runtime.span_export import TracedProcess
from penstock.runtime.telemetry import Metrics
from penstock.source_settings import SourceStore
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from training_orchestrator.datasets_store import DatasetsStore
from training_orchestrator.job_trace import job_trace_in
from training_orchestrator.jobs_store import JobsStore
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
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Receives of an order after which a process that died fails the job."""

    @property
    def limits(self) -> PrepareLimits:
        """What one preparation may take."""
        return PrepareLimits(self.memory_mb, self.work_dir, self.heartbeat_seconds, self.attempts)


def create_app(settings: PreparerSettings) -> FastAPI:
    """Wire a preparer; nothing is opened before the lifespan starts."""
    checks: dict[str, Check] = {}
    metrics = Metrics("training-preparer")
    traced = TracedProcess(settings, "training-preparer", metrics)
    clock = SystemClock()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(traced.close)
            await _open(settings, stack, clock, traced, checks)
            yield

    app = FastAPI(title="Penstock training preparer", version="1", lifespan=lifespan)
    http.install(app, clock=clock, metrics=metrics, checks=checks, tracing=traced.tracing)
    return app


async def _open(
    settings: PreparerSettings,
    stack: AsyncExitStack,
    clock: SystemClock,
    traced: TracedProcess,
    checks: dict[str, Check],
) -> None:
    aws = await stack.enter_async_context(aws_clients(settings.region))
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
        metrics=traced.metrics,
        limits=settings.limits,
    )
    (queue,) = CHANNEL.queues
    receiver = await open_receiver(
        await aws.sqs(),
        queue=physical_name(settings.name_prefix, queue.name),
        dead_letter_queue=physical_name(settings.name_prefix, queue.dead_letter_name),
    )
    stop = Stop()
    consumer = Consumer(
        receiver,
        preparer.handle,
        queue=queue.name,
        stop=stop,
        metrics=traced.metrics,
        concurrency=settings.concurrency,
        visibility_seconds=queue.visibility_seconds,
        wait_seconds=settings.receive_wait_seconds,
        drain_seconds=settings.drain_seconds,
        tracing=traced.tracing,
        trace_of=job_trace_in,
    )
    await stack.enter_async_context(owned_task(consumer.run(), name="prepare.consumer", stop=stop))

    async def tables_answer() -> None:
        await store.get(DATASETS.name, {"dataset_id": "-"})

    checks["dynamodb"] = tables_answer


def main() -> None:
    """Prepare datasets until told to stop."""
    settings = PreparerSettings()
    configure_logging(settings, "training-preparer")
    run_service(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        drain_seconds=settings.drain_seconds,
    )


if __name__ == "__main__":
    main()
