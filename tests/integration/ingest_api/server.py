"""A real ingest-api process, and what reached the queues behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from penstock.adapters.aws import aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.sqs import SqsReceiver, queue_url
from penstock.channel import is_canary
from penstock.domain.ids import GatewayId
from penstock.gateways import GatewayBody, GatewayStore
from penstock.resources import physical_name
from penstock.runtime.clock import SystemClock

from tests.fixtures.processes import CommandProcess, command

REGION = "eu-west-1"
GW = GatewayId("gw-7")


@dataclass(frozen=True)
class IngestServer:
    """The process, and a key for it."""

    process: CommandProcess
    key: str

    @property
    def url(self) -> str:
        return self.process.url

    def client(self, *, timeout: float = 15.0) -> httpx.AsyncClient:
        """A gateway's client: it keeps its connection."""
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=timeout)


@asynccontextmanager
async def ingest_server(
    name_prefix: str, folder: Path, **variables: str
) -> AsyncIterator[IngestServer]:
    """Run `ingest-api` until the test leaves, over the tables and topic of a prefix."""
    key = await new_key(name_prefix)
    with command("ingest-api", name_prefix, folder, variables) as process:
        process.start()
        await process.ready()
        yield IngestServer(process, key)


async def new_key(name_prefix: str) -> str:
    """Create the gateway if need be, and give it one more key."""
    async with aws_clients(REGION) as clients:
        tables = DynamoStore(await clients.dynamodb(), name_prefix)
        store = GatewayStore(tables, SystemClock())
        if await store.find(GW) is None:
            await store.put(GatewayBody(gateway_id=GW))
        return (await store.add_key(GW)).key.get_secret_value()


async def drained(name_prefix: str, queue: str = "inference") -> list[str]:
    """Take every body out of a queue, canaries left out."""
    bodies: list[str] = []
    async with aws_clients(REGION) as clients:
        sqs = await clients.sqs()
        url = await queue_url(sqs, physical_name(name_prefix, queue))
        receiver = SqsReceiver(sqs, url)
        while deliveries := await receiver.receive(at_most=10, wait_seconds=1):
            for delivery in deliveries:
                await delivery.ack()
                bodies.append(delivery.body)
    return [body for body in bodies if not is_canary(body)]
