"""Command `training-fetcher`: what the process owns, in which order it opens and closes."""

from functools import partial
from typing import Annotated

from fastapi import FastAPI
from penstock.adapters.aws import AwsClients, aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.s3 import S3ObjectStore
from penstock.adapters.secrets import SecretsManager
from penstock.adapters.sqs import SqsPublisher, open_publisher, open_receiver
from penstock.adapters.state_machine import StateMachine, machine_arn
from penstock.channels.slices import CHANNEL
from penstock.domain.time import SECOND, Micros
from penstock.resources import SOURCES, STATE_MACHINE, TRAINING, physical_name
from penstock.runtime.clock import SystemClock, new_id
from penstock.runtime.lifecycle import run_service
from penstock.runtime.logging import configure_logging
from penstock.runtime.settings import ConsumerSettings
from penstock.source_client import SourceClients
from penstock.source_guard import Guard, IpNetwork
from penstock.source_settings import SourceStore
from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from training_orchestrator.distribute import Distributor
from training_orchestrator.fetch import Fetcher
from training_orchestrator.fetch_limit import SharedLimit
from training_orchestrator.fetch_policy import FetchPolicy
from training_orchestrator.fetch_walk import SliceWalker
from training_orchestrator.jobs_store import JobsStore
from training_orchestrator.one_consumer import Process, application
from training_orchestrator.slices_store import SlicesStore


class FetcherSettings(ConsumerSettings):
    """Defaults fit the embedded stack, but for the loopback: only it sets `allow_loopback`."""

    model_config = SettingsConfigDict(
        env_prefix="TRAINING_FETCHER_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    port: int = 8086
    """Port to listen on."""
    concurrency: Annotated[int, Field(ge=1, le=100)] = 8
    """Slices at once."""
    attempts: Annotated[int, Field(ge=1, le=15)] = 6
    """Failed attempts after which a slice has failed; waiting for a turn is none."""
    first_pause_seconds: Annotated[float, Field(gt=0)] = 5.0
    """Pause before the second attempt; it doubles with each."""
    min_window_seconds: Annotated[float, Field(ge=2)] = 60.0
    """Time range below which a hung slice is not split any more."""
    patience_seconds: Annotated[float, Field(gt=0)] = 20.0
    """How long a slice waits for a turn at its source before its message goes back."""
    private_cidrs: Annotated[
        tuple[IpNetwork, ...],
        Field(validation_alias=AliasChoices("private_cidrs", "PENSTOCK_SOURCES_PRIVATE_CIDRS")),
    ] = ()
    """Private ranges that sources of this deployment may lie in."""
    allow_loopback: Annotated[
        bool,
        Field(validation_alias=AliasChoices("allow_loopback", "PENSTOCK_SOURCES_ALLOW_LOOPBACK")),
    ] = False
    """Whether sources may lie on this machine: for the embedded stack only."""
    proxy: Annotated[
        str | None,
        Field(
            validation_alias=AliasChoices("proxy", "PENSTOCK_SOURCES_PROXY"),
            pattern=r"^http://[^/@\s]+:[0-9]+$",
        ),
    ] = None
    """Proxy (`http://host:port`) for sources outside of the private ranges; HTTPS_PROXY and its
    like are not obeyed."""

    @property
    def guard(self) -> Guard:
        """Where sources may point."""
        return Guard(private=self.private_cidrs, allow_loopback=self.allow_loopback)

    @property
    def policy(self) -> FetchPolicy:
        """How patient the fetcher is."""
        return FetchPolicy(
            attempts=self.attempts,
            first_pause_seconds=self.first_pause_seconds,
            min_window=Micros(round(self.min_window_seconds * SECOND)),
        )


def create_app(settings: FetcherSettings) -> FastAPI:
    """Wire a fetcher; nothing is opened before the lifespan starts."""
    return application("training-fetcher", settings, partial(_start, settings))


async def _start(settings: FetcherSettings, process: Process) -> None:
    clock = process.clock
    aws = await process.stack.enter_async_context(aws_clients(settings.region))
    store = DynamoStore(await aws.dynamodb(), settings.name_prefix)
    sqs = await aws.sqs()
    (queue,) = CHANNEL.queues
    name = physical_name(settings.name_prefix, queue.name)
    dead_letters = physical_name(settings.name_prefix, queue.dead_letter_name)
    receiver = await open_receiver(sqs, queue=name, dead_letter_queue=dead_letters)
    publisher = await open_publisher(sqs, name)
    secrets = SecretsManager(await aws.client("secretsmanager"))
    clients = SourceClients(settings.guard, secrets, proxy=settings.proxy)
    process.stack.push_async_callback(clients.close)
    patience = settings.patience_seconds
    walker = SliceWalker(
        objects=S3ObjectStore(await aws.s3(), physical_name(settings.name_prefix, TRAINING.name)),
        clients=clients,
        limit=SharedLimit(store, clock, new_id(clock), patience_seconds=patience),
        clock=clock,
        metrics=process.traced.metrics,
        policy=settings.policy,
    )
    fetcher = Fetcher(
        walker,
        distributor=await _distributor(settings, aws, store, publisher, clock),
        sources=SourceStore(store),
        store=store,
        queue=publisher,
    )
    await process.consume(
        queue, receiver, fetcher.handle, settings=settings, concurrency=settings.concurrency
    )

    async def tables_answer() -> None:
        await store.get(SOURCES.name, {"name": "-"})

    process.checks["dynamodb"] = tables_answer


async def _distributor(
    settings: FetcherSettings,
    aws: AwsClients,
    store: DynamoStore,
    queue: SqsPublisher,
    clock: SystemClock,
) -> Distributor:
    arn = machine_arn(
        physical_name(settings.name_prefix, STATE_MACHINE),
        region=settings.region,
        account=settings.account,
    )
    executions = StateMachine(await aws.client("stepfunctions"), arn)
    return Distributor(JobsStore(store, clock), SlicesStore(store, clock), queue, executions, clock)


def main() -> None:
    """Fetch slices until told to stop."""
    settings = FetcherSettings()
    configure_logging(settings, "training-fetcher")
    run_service(create_app(settings), settings)


if __name__ == "__main__":
    main()
