"""The whole application over memory: readiness, routes, and what it refuses to start with."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from penstock.adapters.memory import (
    FakeClock,
    MemoryKeyValueStore,
    MemoryObjectStore,
    MemoryQueue,
)
from penstock.channel import Queue
from penstock.channels import readings
from penstock.channels.readings import readings_message, to_columns
from penstock.domain.errors import InvalidInput, StoreUnavailable
from penstock.ports import Receiver, Write
from results_writer.app import create_app
from results_writer.handler import DeadLetterQueue
from results_writer.places import Places
from results_writer.settings import BatchSettings, Settings

from tests.factories import NOON, make_prediction, make_reading
from tests.fixtures.waiting import answered, until
from tests.unit.results_writer.running import DeadLetters, pack_of

TOKENS = {"view": "viewer", "operate": "operator"}


@dataclass
class World:
    clock: FakeClock = field(default_factory=FakeClock)
    tables: MemoryKeyValueStore = field(default_factory=MemoryKeyValueStore)
    lake: MemoryObjectStore = field(default_factory=MemoryObjectStore)
    archive: MemoryObjectStore = field(default_factory=MemoryObjectStore)
    queues: dict[str, MemoryQueue] = field(default_factory=dict)

    def queue(self, name: str) -> MemoryQueue:
        return self.queues.setdefault(name, MemoryQueue(name))

    @asynccontextmanager
    async def open(self, _settings: Settings) -> AsyncIterator[Places]:
        async def receiver(queue: Queue) -> Receiver:
            return self.queue(queue.name)

        async def dead_letters(_queue: Queue) -> DeadLetterQueue:
            return DeadLetters()

        yield Places(self.clock, self.tables, self.lake, self.archive, receiver, dead_letters)


def make_settings(*sinks: str, **changes: object) -> Settings:
    values: dict[str, object] = {
        "sinks": sinks, "api_tokens": TOKENS, "receive_wait_seconds": 0.05,
        "batches": {name: BatchSettings(max_age_seconds=0.005) for name in (*sinks, "archive")},
    }  # fmt: skip
    return Settings.model_validate(values | changes)


@asynccontextmanager
async def serving(world: World, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings, opening=world.open)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://writer") as client,
    ):
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def eventually(
    client: httpx.AsyncClient, path: str, holds: Callable[[httpx.Response], bool]
) -> None:
    """Ask until the answer is as claimed."""

    async def look() -> bool:
        return holds(await client.get(path, headers=bearer("view")))

    await answered(look, f"{path} answers as claimed", every_seconds=0.002)


async def test_every_queue_finds_its_place() -> None:
    world = World()
    async with serving(world, make_settings("lake", "latest")) as client:
        for name in ("lake", "latest"):
            await world.queue(name).publish([pack_of([make_prediction()])])
        columns = to_columns([make_reading()])
        message = readings_message(columns, pack_id="r", created_at=NOON)
        await world.queue("archive").publish([readings.CHANNEL.encode(message)])
        await until(lambda: not any(queue.bodies for queue in world.queues.values()))
        assert (await client.get("/readyz")).status_code == 200
        metrics = (await client.get("/metrics")).text
    assert [key.split("/")[0] for key in world.lake.objects] == ["predictions"]
    assert [key.split("/")[0] for key in world.archive.objects] == ["readings"]
    assert len(world.tables.items["latest"]) == 1
    assert 'penstock_sink_rows_total{outcome="written",sink="lake"} 1.0' in metrics
    assert 'penstock_archive_rows_total{kind="readings"} 1.0' in metrics
    assert 'penstock_sink_up{sink="latest"} 1.0' in metrics


async def test_readiness_names_the_sink_whose_place_is_gone() -> None:
    world = World()

    def fail(_write: Write) -> None:
        raise StoreUnavailable("no tables")

    async with serving(world, make_settings("latest", archive=False)) as client:
        assert (await client.get("/readyz")).status_code == 200
        world.tables.on_write = fail
        await world.queue("latest").publish([pack_of([make_prediction()])])
        await eventually(client, "/readyz", lambda answer: answer.status_code == 503)
        assert "latest" in (await client.get("/readyz")).json()["failed"]
        assert (await client.get("/healthz")).status_code == 200
        world.tables.on_write = None


async def test_states_are_for_those_with_a_role_and_retry_for_operators() -> None:
    world = World()
    async with serving(world, make_settings("lake", archive=False)) as client:
        assert (await client.get("/v1/sinks")).status_code == 401
        answer = await client.get("/v1/sinks", headers=bearer("view"))
        assert answer.json() == [
            {"name": "lake", "state": "running", "oldest_message_seconds": 0.0}
        ]
        retry = "/v1/sinks/lake/retry"
        assert (await client.post(retry, headers=bearer("view"))).status_code == 403
        assert (await client.post(retry, headers=bearer("operate"))).status_code == 200
        unknown = await client.post("/v1/sinks/nobody/retry", headers=bearer("operate"))
        assert unknown.status_code == 404
        assert "nobody" in unknown.json()["detail"]


async def test_a_stopped_sink_is_seen_and_goes_on_after_a_retry() -> None:
    world = World()
    async with serving(world, make_settings("lake", archive=False)) as client:
        await world.queue("lake").publish(["not json"] * 300)
        await eventually(client, "/v1/sinks", lambda answer: "stopped" in answer.text)
        assert (await client.get("/readyz")).status_code == 503
        answer = await client.post("/v1/sinks/lake/retry", headers=bearer("operate"))
        assert answer.json()["state"] != "stopped"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (make_settings("aurora"), "RESULTS_WRITER_AURORA__DSN"),
        (make_settings("snowflake"), "RESULTS_WRITER_SNOWFLAKE__ACCOUNT"),
        (make_settings("lakes"), "lakes"),
        (make_settings("latest", batches={"latest": {"max_age_seconds": 50}}), "at most"),
    ],
)
async def test_it_does_not_start_without_what_a_sink_needs(settings: Settings, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        async with serving(World(), settings):
            raise AssertionError("it started")
