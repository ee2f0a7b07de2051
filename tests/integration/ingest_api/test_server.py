"""A real process behind real HTTP, with a real broker and table behind it."""

import asyncio
import gzip
import itertools
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from penstock.adapters.aws import aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.domain.time import SECOND, Micros
from penstock.gateways import GatewayStore
from penstock.runtime.clock import SystemClock
from penstock_local.faults.proxy import FaultProxy
from penstock_local.faults.rules import Fault

from tests.fixtures.processes import ENDED_IN_ORDER
from tests.fixtures.waiting import PATIENCE_SECONDS, answered, until
from tests.integration.ingest_api.server import (
    GW,
    REGION,
    IngestServer,
    drained,
    ingest_server,
    new_key,
)
from tests.unit.ingest_api.factories import readings_in, rejects_in, sequences_in


def now_ms() -> int:
    return SystemClock().now() // 1_000


async def test_what_is_answered_200_is_in_the_queue_of_every_subscriber(
    server: IngestServer, name_prefix: str
) -> None:
    values = [
        {"path": "/SITE01/P-101/TEMP", "value": 71.5, "quality": 192, "ts": now_ms()},
        {"path": "/SITE01/P-101/RUN", "value": False, "quality": 24, "ts": now_ms()},
    ]
    bodies: list[tuple[bytes, dict[str, str]]] = [
        (json.dumps({"gateway": "edge-01", "values": values}).encode(), {}),
        (gzip.compress(json.dumps({"/A": [{"v": 1, "q": 192, "ts": now_ms()}]}).encode()),
         {"content-encoding": "gzip", "content-type": "text/plain"}),
        (b'{"sensor": "s-1", "model": "rul", "data": [12, 71, 8]}', {}),
        (b'{"readings": [{"tag": "/A", "value": NaN}]}', {}),
    ]  # fmt: skip
    async with server.client() as client:
        for body, headers in bodies:
            response = await client.post("/v1/readings", content=body, headers=headers)
            assert response.status_code == 200, response.text
            assert "server" not in response.headers
    for queue in ("inference", "archive"):
        packs = await drained(name_prefix, queue)
        assert [(r.gateway_id, r.tag, r.value) for r in readings_in(packs)] == [
            (GW, "/SITE01/P-101/TEMP", 71.5),
            (GW, "/SITE01/P-101/RUN", False),
            (GW, "/A", 1),
        ]
        assert [sequence.data for sequence in sequences_in(packs)] == [(12, 71, 8)]
        assert [reject.reason for reject in rejects_in(packs)] == ["not_finite"]


async def test_a_key_made_a_moment_ago_opens_and_a_wrong_one_is_noted(
    server: IngestServer, name_prefix: str
) -> None:
    fresh = await new_key(name_prefix)
    async with server.client() as client, aws_clients(REGION) as clients:
        answer = await client.get("/v1/ping", headers={"x-api-key": fresh})
        assert answer.json()["gateway_id"] == GW
        wrong = await client.get("/v1/ping", headers={"x-api-key": fresh[:-4] + "0000"})
        assert wrong.status_code == 401
        store = GatewayStore(DynamoStore(await clients.dynamodb(), name_prefix), SystemClock())

        async def noted() -> Micros | None:
            return (await store.get(GW)).last_bad_key_at

        await answered(noted, "the wrong key is noted")


async def test_a_body_of_twenty_megabytes_is_refused_and_the_next_one_taken(
    server: IngestServer,
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * 100_000

    async with server.client() as client:
        declared = await client.post("/v1/readings", content=b" " * 20_000_000)
        streamed = await client.post("/v1/readings", content=chunks())
        assert (declared.status_code, streamed.status_code) == (413, 413)
        assert (await client.post("/v1/readings", json=[{"tag": "/A", "v": 1}])).status_code == 200


class Stream:
    """Gateways that post one reading after the other and remember which were answered 200."""

    def __init__(self, server: IngestServer) -> None:
        self.answered: set[int] = set()
        self.codes: set[int] = set()
        self._server = server
        self._numbers = itertools.count(1)

    async def run(self, *, gateways: int) -> None:
        """Send until the server is gone."""
        await asyncio.gather(*[self._send_until_gone() for _ in range(gateways)])

    async def _send_until_gone(self) -> None:
        async with self._server.client() as client:
            while True:
                number = next(self._numbers)
                reading = {"tag": f"/SITE01/T{number}", "value": number}
                try:
                    response = await client.post("/v1/readings", json=[reading])
                except httpx.TransportError:
                    return
                self.codes.add(response.status_code)
                if response.status_code == 200:
                    self.answered.add(number)


async def test_killed_in_mid_stream_everything_answered_is_in_the_queue(
    server: IngestServer, name_prefix: str
) -> None:
    stream = Stream(server)
    sending = asyncio.create_task(stream.run(gateways=8))
    await until(lambda: len(stream.answered) > 200, "the stream runs")
    server.process.kill()
    await asyncio.wait_for(sending, PATIENCE_SECONDS)
    arrived = {reading.value for reading in readings_in(await drained(name_prefix))}
    assert stream.answered <= arrived
    assert stream.codes <= {200, 503}


async def test_stopped_in_mid_stream_it_answers_what_it_took_and_ends_well(
    server: IngestServer, name_prefix: str
) -> None:
    stream = Stream(server)
    sending = asyncio.create_task(stream.run(gateways=8))
    await until(lambda: len(stream.answered) > 200, "the stream runs")
    ending = asyncio.create_task(asyncio.to_thread(server.process.end))
    await asyncio.wait_for(sending, PATIENCE_SECONDS)
    assert await ending in ENDED_IN_ORDER
    arrived = {reading.value for reading in readings_in(await drained(name_prefix))}
    assert stream.answered <= arrived
    assert stream.codes <= {200, 503}


@pytest.fixture
async def topic(aws_endpoint: str) -> AsyncIterator[FaultProxy]:
    """SNS alone behind a proxy that breaks it."""
    async with FaultProxy(target=aws_endpoint) as proxy:
        yield proxy


async def test_while_the_topic_is_away_the_door_says_503_and_then_recovers(
    topic: FaultProxy, name_prefix: str, tmp_path: Path
) -> None:
    sns = {"AWS_ENDPOINT_URL_SNS": topic.url}
    async with ingest_server(name_prefix, tmp_path, **sns) as server, server.client() as client:
        body = [{"tag": "/A", "value": 1, "ts": now_ms()}]
        assert (await client.post("/v1/readings", json=body)).status_code == 200
        topic.set(Fault(kind="refuse"))
        refused = await client.post("/v1/readings", json=body)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        unready = await client.get("/readyz")
        assert (unready.status_code, list(unready.json()["failed"])) == (503, ["topic"])
        assert (await client.get("/healthz")).status_code == 200
        topic.clear()
        assert (await client.post("/v1/readings", json=body)).status_code == 200
        assert (await client.get("/readyz")).status_code == 200


async def test_a_topic_that_hangs_is_answered_within_four_seconds(
    topic: FaultProxy, name_prefix: str, tmp_path: Path
) -> None:
    sns = {"AWS_ENDPOINT_URL_SNS": topic.url}
    async with ingest_server(name_prefix, tmp_path, **sns) as server, server.client() as client:
        topic.set(Fault(kind="delay", seconds=30, action="PublishBatch"))
        seconds = []
        for _ in range(3):  # the best of three: a busy machine may hold us up as well
            started = time.monotonic()
            response = await client.post("/v1/readings", json=[{"tag": "/A", "value": 1}])
            assert response.status_code == 503
            seconds.append(time.monotonic() - started)
        assert min(seconds) < 4
        topic.clear()


async def test_a_publish_whose_answer_is_lost_is_repeated_and_loses_nothing(
    topic: FaultProxy, name_prefix: str, tmp_path: Path
) -> None:
    """SNS takes the pack and hangs up: the gateway's retry brings the same reading once more."""
    sns = {"AWS_ENDPOINT_URL_SNS": topic.url}
    async with ingest_server(name_prefix, tmp_path, **sns) as server, server.client() as client:
        topic.set(Fault(kind="drop", when="after", action="PublishBatch", count=8))
        at = SystemClock().now() // SECOND

        async def taken() -> bool:
            body = [{"tag": "/A", "value": 1, "ts": at}]
            response = await client.post("/v1/readings", json=body)
            assert response.status_code in {200, 503}
            return response.status_code == 200

        await answered(taken, "the reading is taken", every_seconds=0)
    identities = {(r.tag, r.at) for r in readings_in(await drained(name_prefix))}
    assert identities == {("/A", at * SECOND)}
