"""Spans and their collector: there, gone, silent, overrun; the process does not mind."""

import asyncio
import gzip
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from penstock.runtime.settings import CoreSettings
from penstock.runtime.span_export import TracedProcess
from penstock.runtime.telemetry import Metrics
from penstock_local.ports import LOOPBACK, free_port

from tests.fixtures.waiting import PATIENCE_SECONDS, until


class Collector:
    """Takes spans by OTLP over HTTP; `is_silent` never answers, `status` is what it answers."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{LOOPBACK}:{port}"
        self.received: list[ResourceSpans] = []
        self.status = 200
        self.is_silent = False
        self.heard = Event()
        self.released = Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.take(self.path, body, self.headers["content-encoding"])
                self.send_response(collector.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self._server = ThreadingHTTPServer((LOOPBACK, port), Handler)
        self._server.daemon_threads = True

    def take(self, path: str, body: bytes, encoding: str) -> None:
        assert (path, encoding) == ("/v1/traces", "gzip")
        self.heard.set()
        if self.is_silent:
            self.released.wait(30)
        elif self.status == 200:
            request = ExportTraceServiceRequest.FromString(gzip.decompress(body))
            self.received += request.resource_spans

    @property
    def names(self) -> list[str]:
        return [
            span.name
            for resource in self.received
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @contextmanager
    def serving(self) -> Iterator["Collector"]:
        serving = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        serving.start()
        try:
            yield self
        finally:
            self.released.set()
            self._server.shutdown()
            self._server.server_close()
            serving.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector(free_port()).serving() as serving:
        yield serving


def process_of(url: str | None) -> TracedProcess:
    settings = CoreSettings(otlp_endpoint=url, traces_ratio=1.0)
    return TracedProcess(settings, "ingest-api", Metrics("ingest-api"))


def shown(process: TracedProcess) -> dict[str, int]:
    """Spans by outcome, as `/metrics` shows them."""
    lines = process.metrics.render().decode().splitlines()
    found = [line for line in lines if line.startswith("penstock_spans_total{")]
    return {line.split('"')[1]: int(float(line.rsplit(" ", 1)[1])) for line in found}


def record(process: TracedProcess, *names: str) -> float:
    """Begin and end spans; tell how long the process was busy with it."""
    started = time.monotonic()
    for name in names:
        with process.tracing.span(name):
            pass
    return time.monotonic() - started


async def until_heard(collector: Collector) -> None:
    assert await asyncio.to_thread(collector.heard.wait, PATIENCE_SECONDS)
    collector.heard.clear()


async def test_spans_come_to_the_collector_with_the_name_of_their_service(
    collector: Collector,
) -> None:
    process = process_of(f"{collector.url}/")
    record(process, "POST /v1/readings", "judge readings")
    await process.close()
    assert collector.names == ["POST /v1/readings", "judge readings"]
    attributes = collector.received[0].resource.attributes
    told = {attribute.key: attribute.value.string_value for attribute in attributes}
    assert (told["service.name"], told["deployment.environment.name"]) == ("ingest-api", "local")
    assert shown(process) == {"sent": 2, "refused": 0, "dropped": 0}


async def test_a_process_without_a_collector_has_no_thread_for_spans_and_records_none() -> None:
    process = process_of(None)
    assert not process.tracing.is_on
    record(process, "anything")
    assert shown(process) == {}
    await process.close()


async def test_a_collector_that_is_not_there_holds_nobody_up_and_is_told_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    process = process_of(f"http://{LOOPBACK}:{free_port()}")
    # The best of four: a busy machine may hold us up as well.
    assert min(record(process, *["work"] * 250) for _ in range(4)) < 0.25
    started = time.monotonic()
    await process.close()
    assert time.monotonic() - started < 8
    assert shown(process) == {"sent": 0, "refused": 1_000, "dropped": 0}
    assert capsys.readouterr().out.count("spans.refused") == 1


async def test_a_collector_that_never_answers_fills_the_queue_and_no_more(
    collector: Collector,
) -> None:
    collector.is_silent = True
    process = process_of(collector.url)
    record(process, *["first"] * 512)
    await until_heard(collector)  # a batch is under way and will stay so
    assert record(process, *["work"] * 6_000) < 3.0
    lost = shown(process)["dropped"]
    assert 1_500 < lost < 2_500, "what fits the queue waits, the rest is dropped and counted"
    started = time.monotonic()
    await process.close()
    assert time.monotonic() - started < 5, "a stop does not wait for a collector that hangs"


async def test_a_collector_that_comes_back_gets_what_is_recorded_then(
    collector: Collector,
) -> None:
    collector.status = 400
    process = process_of(collector.url)
    record(process, *["lost"] * 512)
    await until_heard(collector)
    await until(lambda: shown(process)["refused"] == 512, "all of the batch was refused")
    collector.status = 200
    record(process, "seen")
    await process.close()
    assert collector.names == ["seen"]
    assert shown(process) == {"sent": 1, "refused": 512, "dropped": 0}
