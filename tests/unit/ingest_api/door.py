"""The whole application in memory: a gateway with a key, a topic, and what arrived in its queue."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
from ingest_api.app import IngestApp, Outside, create_app
from ingest_api.settings import Settings
from opentelemetry.sdk.trace.export import SpanExporter
from penstock.adapters.memory import FakeClock, MemoryKeyValueStore, MemoryQueue, MemoryTopic
from penstock.domain.ids import GatewayId
from penstock.domain.readings import Reading, Reject, Sequence
from penstock.gateways import GatewayBody, GatewayStore
from penstock.ports import Publisher

from tests.factories import NOON
from tests.unit.ingest_api.factories import readings_in, rejects_in, sequences_in

GW = GatewayId("gw-7")
MS = NOON // 1_000


@dataclass
class Ingest:
    """Everything that a story needs."""

    app: IngestApp
    client: httpx.AsyncClient
    gateways: GatewayStore
    tables: MemoryKeyValueStore
    queue: MemoryQueue
    clock: FakeClock
    key: str

    @property
    def readings(self) -> list[Reading]:
        return readings_in(self.queue.bodies)

    @property
    def sequences(self) -> list[Sequence]:
        return sequences_in(self.queue.bodies)

    @property
    def rejects(self) -> list[Reject]:
        return rejects_in(self.queue.bodies)

    async def post(self, body: object, **headers: str) -> httpx.Response:
        sent = {"authorization": f"Bearer {self.key}", **headers}
        if isinstance(body, bytes | str):
            return await self.client.post("/v1/readings", content=body, headers=sent)
        return await self.client.post("/v1/readings", json=body, headers=sent)

    async def change(self, **settings: object) -> None:
        """Change the gateway's settings, and let the directory see it."""
        await self.gateways.put(GatewayBody.model_validate({"gateway_id": GW, **settings}))
        assert self.app.door is not None
        await self.app.door.directory.refresh()

    async def metric(self, line: str) -> float:
        """Value of a line of GET /metrics; 0 where it does not stand there."""
        text = (await self.client.get("/metrics")).text
        found = [row.rsplit(" ", 1)[1] for row in text.splitlines() if row.startswith(line + " ")]
        return float(found[0]) if found else 0.0


def reading(**changes: object) -> dict[str, object]:
    return {"path": "/SITE01/P-101/TEMP", "value": 71.5, "quality": 192, "ts": MS - 1000, **changes}


def envelope(*readings: dict[str, object]) -> dict[str, object]:
    return {"gateway": "edge-01", "values": list(readings)}


async def _reachable() -> None:
    """Nothing to ask in memory."""


@contextlib.asynccontextmanager
async def running(
    *,
    on_publish: Callable[[str], str | None] | None = None,
    publisher: Publisher | None = None,
    ping: Callable[[], Awaitable[None]] = _reachable,
    settings: Settings | None = None,
    tables: MemoryKeyValueStore | None = None,
    spans: SpanExporter | None = None,
) -> AsyncIterator[Ingest]:
    """Start the application, with one gateway of default settings and one key."""
    clock = FakeClock(NOON)
    tables = tables or MemoryKeyValueStore()
    queue = MemoryQueue("inference")
    gateways = GatewayStore(tables, clock)
    await gateways.put(GatewayBody(gateway_id=GW))
    issued = await gateways.add_key(GW)
    outside = Outside(publisher or MemoryTopic(queue, on_publish=on_publish), tables, ping)
    app = create_app(settings or Settings(), outside=outside, clock=clock, spans=spans)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(app.api.router.lifespan_context(app.api))
        transport = httpx.ASGITransport(app)
        client = httpx.AsyncClient(transport=transport, base_url="http://ingest")
        await stack.enter_async_context(client)
        key = issued.key.get_secret_value()
        yield Ingest(app, client, gateways, tables, queue, clock, key)


def assert_json(response: httpx.Response) -> dict[str, Any]:
    """Every answer is JSON, names its request, redirects nowhere and does not tell the server."""
    assert response.headers["content-type"] == "application/json"
    assert "server" not in response.headers
    assert not response.is_redirect
    body = response.json()
    assert isinstance(body, dict)
    assert body["request_id"] == response.headers["x-request-id"]
    return body
