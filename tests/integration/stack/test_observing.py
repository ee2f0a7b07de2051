"""The viewer over real HTTP: spans by the library's own exporter, metrics by looking."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from penstock.runtime.settings import CoreSettings
from penstock.runtime.span_export import TracedProcess
from penstock.runtime.telemetry import Metrics
from penstock_local.observing.app import create_app, runner_of
from penstock_local.ports import LOOPBACK

from tests.fixtures.waiting import answered

PROTOBUF = {"content-type": "application/x-protobuf"}


@asynccontextmanager
async def viewing(app: web.Application) -> AsyncIterator[str]:
    runner = runner_of(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, 0).start()
        yield f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with viewing(create_app({})) as found:
        yield found


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_a_trace_of_two_services_is_shown_as_one(
    url: str, client: aiohttp.ClientSession
) -> None:
    settings = CoreSettings(otlp_endpoint=url, traces_ratio=1.0)
    door = TracedProcess(settings, "ingest-api", Metrics("ingest-api"))
    worker = TracedProcess(settings, "inference-worker", Metrics("inference-worker"))
    with door.tracing.span("POST /v1/readings", kind="server") as request:
        request.note({"penstock.request_id": "01kafz", "penstock.accepted": 3})
    processing = worker.tracing.span("process inference", request.traceparent, kind="consumer")
    with pytest.raises(TimeoutError), processing:
        raise TimeoutError("no answer")
    await door.close()
    await worker.close()
    async with client.get(f"{url}/api/find", params={"text": "01kafz"}) as answer:
        found = await answer.json()
    assert found["services"] == ["ingest-api", "inference-worker"]
    assert [(span["name"], span["depth"], span["error"]) for span in found["spans"]] == [
        ("POST /v1/readings", 0, None),
        ("process inference", 1, "TimeoutError: no answer"),
    ]
    assert found["spans"][0]["attributes"]["penstock.accepted"] == "3"
    async with client.get(f"{url}/find", params={"text": found["trace_id"]}) as answer:
        assert answer.url.path == f"/traces/{found['trace_id']}"
        assert "no answer" in await answer.text()
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    async with client.get(url) as answer:
        assert found["trace_id"] in await answer.text()


async def test_what_is_no_span_is_refused_and_the_viewer_lives_on(
    url: str, client: aiohttp.ClientSession
) -> None:
    async def answered(body: bytes, **headers: str) -> int:
        told = {**PROTOBUF, **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with client.post(f"{url}/v1/traces", data=body, headers=told) as answer:
            return answer.status

    assert await answered(b"\xff\xff\xff") == 400
    assert await answered(b"{}", content_type="application/json") == 415
    assert await answered(b"not gzip", content_encoding="gzip") == 400
    assert await answered(gzip.compress(bytes(99))[:-9], content_encoding="gzip") == 400
    assert await answered(b"x", content_encoding="br") == 400
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    assert await answered(bomb, content_encoding="gzip") == 413
    assert await answered(ExportTraceServiceRequest().SerializeToString()) == 200
    for path in ("/traces/nobody", "/find?text=nobody"):
        async with client.get(f"{url}{path}") as answer:
            assert answer.status == 404


async def test_metrics_are_looked_at_and_a_service_that_is_gone_is_said_to_be(
    client: aiohttp.ClientSession,
) -> None:
    metrics = Metrics("results-writer")
    metrics.count("sink_rows", 12, sink="lake", outcome="written")

    async def show(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.render())

    service = web.Application()
    service.router.add_get("/metrics", show)
    async with (
        viewing(service) as there,
        viewing(create_app({"results-writer": there, "console": f"http://{LOOPBACK}:9"})) as url,
    ):

        async def look() -> str | None:
            async with client.get(f"{url}/services") as answer:
                page = await answer.text()
            return page if "12 in all" in page else None

        page = await answered(look, "the metrics are shown")
    assert page.count("does not answer") == 1
