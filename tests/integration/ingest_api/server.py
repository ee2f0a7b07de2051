"""A real ingest-api process, and what reached the queues behind it."""

import asyncio
import os
import subprocess
import sys
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
from penstock_local.children import die_with_parent, forking
from penstock_local.ports import LOOPBACK, free_port

REGION = "eu-west-1"
GW = GatewayId("gw-7")
_START_SECONDS = 60.0


@dataclass(frozen=True)
class IngestServer:
    """The process, where it listens, and a key for it."""

    process: subprocess.Popen[bytes]
    url: str
    key: str
    log: Path

    def client(self, *, timeout: float = 15.0) -> httpx.AsyncClient:
        """A gateway's client: it keeps its connection."""
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=timeout)

    async def ended(self, *, seconds: float) -> int:
        """Wait for the end of the process and return its code."""
        return await asyncio.to_thread(self.process.wait, seconds)


@asynccontextmanager
async def ingest_server(
    name_prefix: str, folder: Path, **variables: str
) -> AsyncIterator[IngestServer]:
    """Run `python -m ingest_api` until the test leaves, over the tables and topic of a prefix."""
    port = free_port()
    log = folder / "ingest-api.log"
    environment = {
        **os.environ,
        "PENSTOCK_NAME_PREFIX": name_prefix,
        "INGEST_API_PORT": str(port),
        "NO_PROXY": LOOPBACK,
        **variables,
    }
    key = await new_key(name_prefix)
    with log.open("ab") as output, forking():
        process = subprocess.Popen(  # noqa: ASYNC220  # our own words; a fork is brief
            [sys.executable, "-m", "ingest_api"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            preexec_fn=die_with_parent(),  # noqa: PLW1509  # one call, no locks
        )
    server = IngestServer(process, f"http://{LOOPBACK}:{port}", key, log)
    try:
        await _until_ready(server)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                await server.ended(seconds=20)
            except subprocess.TimeoutExpired:
                process.kill()
                await server.ended(seconds=5)


async def _until_ready(server: IngestServer) -> None:
    async with server.client() as client, asyncio.timeout(_START_SECONDS):
        while True:
            if server.process.poll() is not None:
                raise AssertionError(f"ingest-api ended: {server.log.read_text()[-3000:]}")
            try:
                if (await client.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


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
