"""Real places for sinks: opened as the service opens them, on the embedded stack or on nothing."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from penstock.adapters.aurora import open_pool
from penstock.adapters.aws import aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.s3 import S3ObjectStore
from penstock.ports import Sink
from penstock.resources import LAKE, physical_name
from penstock.runtime.clock import SystemClock
from results_writer.discovery import discover_sinks
from results_writer.settings import Settings
from results_writer.sink import SinkResources
from results_writer.snowflake_session import SnowflakeSettings

REGION = "eu-west-1"


@asynccontextmanager
async def open_resources(
    *, prefix: str = "penstock", aurora_dsn: str | None = None
) -> AsyncIterator[SinkResources]:
    async with AsyncExitStack() as stack:
        clients = await stack.enter_async_context(aws_clients(REGION))
        lake = S3ObjectStore(await clients.s3(), physical_name(prefix, LAKE.name))
        tables = DynamoStore(await clients.dynamodb(), prefix)
        pool = await stack.enter_async_context(open_pool(aurora_dsn)) if aurora_dsn else None
        holder = uuid.uuid4().hex
        yield SinkResources(SystemClock(), tables, lake, holder, pool)


def snowflake_settings(
    connection: Mapping[str, str | int], *, connect_seconds: float = 60.0, network_seconds: int = 20
) -> SnowflakeSettings:
    return SnowflakeSettings.model_validate(
        {
            **connection,
            "can_remove": False,
            "connect_seconds": connect_seconds,
            "statement_seconds": 60.0,
            "network_seconds": network_seconds,
        }
    )


@asynccontextmanager
async def open_sink(
    name: str, resources: SinkResources, snowflake: SnowflakeSettings | None = None
) -> AsyncIterator[Sink]:
    plugin = discover_sinks()[name]
    async with plugin.open(Settings(snowflake=snowflake), resources) as sink:
        yield sink
