"""The door under a load that comes whether or not it is answered: packs, latencies, CPU."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from ingest_api.app import Outside, create_app
from ingest_api.group_commit import CommitSettings
from ingest_api.settings import Settings
from penstock.adapters.memory import MemoryKeyValueStore
from penstock.adapters.sns import SnsPublisher
from penstock.domain.ids import GatewayId
from penstock.gateways import GatewayBody, GatewayStore
from starlette.types import ASGIApp

from benchmarks.door_server import noop
from benchmarks.queueing.broker import Topic
from benchmarks.queueing.load import Arrival, Plant
from benchmarks.queueing.loop import LoopClock, run

_ARN = "arn:aws:sns:eu-west-1:000000000000:bench"


@dataclass(frozen=True, slots=True)
class Answered:
    """What a run of the door came to; `latencies` are seconds from arrival to the answer 200."""

    topic: Topic
    latencies: list[float]
    cpu_seconds: float


def answered(
    plant: Plant, first: Sequence[Arrival], then: Sequence[Arrival], *, linger_seconds: float
) -> Answered:
    """Send all to ingest-api as it is deployed, its HTTP server aside; all must be answered 200.

    What is told is told of `then`: `first` lets it meet every tag, and learn how packs fill.
    """
    return run(_through_ingest(plant, first, then, linger_seconds))


def sending_cpu_seconds(arrivals: Sequence[Arrival]) -> float:
    """CPU of sending alone: the same to an application that does nothing."""

    async def send() -> float:
        keys = {arrival.gateway: "" for arrival in arrivals}
        return (await _send_all(noop, keys, arrivals))[1]

    return run(send())


async def _through_ingest(
    plant: Plant, first: Sequence[Arrival], then: Sequence[Arrival], linger_seconds: float
) -> Answered:
    topic, tables, clock = Topic(), MemoryKeyValueStore(), LoopClock()
    store = GatewayStore(tables, clock)
    keys = {gateway: await _key(store, gateway) for gateway in plant.gateways}

    async def reachable() -> None:
        """Nothing to ask."""

    commit = CommitSettings(linger_seconds=linger_seconds)
    settings = Settings().model_copy(update={"commit": commit})
    publisher = SnsPublisher(cast("Any", topic), _ARN)
    app = create_app(settings, outside=Outside(publisher, tables, reachable), clock=clock)
    async with app.api.router.lifespan_context(app.api):
        await asyncio.sleep(0.1)  # the gateways are read
        await _send_all(app, keys, first)
        topic.forget()
        latencies, cpu_seconds = await _send_all(app, keys, then)
    return Answered(topic, latencies, cpu_seconds)


async def _key(store: GatewayStore, gateway: GatewayId) -> str:
    await store.put(GatewayBody(gateway_id=gateway))
    return (await store.add_key(gateway)).key.get_secret_value()


async def _send_all(
    app: ASGIApp, keys: dict[GatewayId, str], arrivals: Sequence[Arrival]
) -> tuple[list[float], float]:
    """Latencies, and CPU from the first arrival to the last answer."""
    loop = asyncio.get_running_loop()
    cpu, began = time.process_time(), loop.time() - arrivals[0].at
    posts = []
    for arrival in arrivals:
        due = began + arrival.at
        if due > loop.time():
            await asyncio.sleep(due - loop.time())
        posts.append(asyncio.create_task(_post(app, keys[arrival.gateway], arrival.body, due)))
    latencies = await asyncio.gather(*posts)
    return latencies, time.process_time() - cpu


async def _post(app: ASGIApp, key: str, body: bytes, due: float) -> float:
    status = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    headers = [
        (b"authorization", f"Bearer {key}".encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    scope = {"type": "http", "method": "POST", "path": "/v1/readings", "headers": headers}
    await app(scope, receive, send)
    assert status == 200, status
    return asyncio.get_running_loop().time() - due
