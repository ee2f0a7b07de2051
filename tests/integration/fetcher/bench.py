"""A fetcher over memory stores and a small real historian, for the tests of pulling."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiohttp import web
from penstock.adapters.memory import (
    MemoryKeyValueStore,
    MemoryObjectStore,
    MemoryQueue,
    MemorySecrets,
)
from penstock.adapters.memory_training import MemoryExecutions
from penstock.domain.datasets import SliceState
from penstock.domain.jobs import Job, JobStatus, StoredSlice
from penstock.domain.time import MINUTE, Micros, parse_iso, to_iso
from penstock.ports import ObjectStore, Write
from penstock.resources import JOBS
from penstock.runtime.clock import SystemClock
from penstock.runtime.consumer import Consumer
from penstock.runtime.lifecycle import Stop
from penstock.runtime.telemetry import Metrics
from penstock.source import SourceRecord
from penstock.source_client import SourceClients
from penstock.source_guard import Guard
from penstock.source_settings import SourceBody, SourceStore
from training_orchestrator.distribute import Distributor
from training_orchestrator.fetch import Fetcher
from training_orchestrator.fetch_limit import SharedLimit
from training_orchestrator.fetch_pages import RawSlice
from training_orchestrator.fetch_policy import FetchPolicy
from training_orchestrator.fetch_walk import SliceWalker
from training_orchestrator.jobs_items import job_item, job_key
from training_orchestrator.jobs_store import JobsStore
from training_orchestrator.slices_store import SlicesStore

from tests.fixtures.waiting import PATIENCE_SECONDS, answered
from tests.integration.sources.servers import make_source, serving
from tests.unit.training_orchestrator.factories import JOB_ID, make_job, make_request

SINCE, UNTIL = parse_iso("2026-11-01T00:00:00Z"), parse_iso("2026-11-02T00:00:00Z")
TAGS = [f"/SITE01/{asset}/{tag}" for asset in ("P-101", "P-102") for tag in ("TEMP", "FAILURE")]
STEP = Micros(10 * MINUTE)
EXPECTED = {(tag, at) for tag in TAGS for at in range(SINCE, UNTIL, STEP)}
PAGED: dict[str, Any] = {
    "path": "/api/readings",
    "params": {
        "from": "{start}",
        "to": "{end}",
        "tags": "{tags}",
        "page": "{page}",
        "page_size": "{page_size}",
    },
    "records_path": "records",
    "paging": {"type": "page", "page_size": 1_000, "total_path": "total"},
}

Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


async def no_fault(_request: web.Request) -> web.StreamResponse | None:
    return None


class Historian:
    """Serves a value of every tag each ten minutes; `fault` may answer instead."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.fault: Fault = no_fault
        self.busy = 0
        self.most_busy = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            await asyncio.sleep(0.002)
            faulty = await self.fault(request)
            if faulty is not None:
                return faulty
            if request.path == "/tag":
                return web.json_response(self.history(request.query))
            return web.json_response(self.page(request.query))
        finally:
            self.busy -= 1

    def history(self, query: Any) -> dict[str, Any]:
        found = self.samples([query["path"]], query["start"], query["end"])
        return {"data": [{"value": v, "quality": 192, "ts": at // 1_000} for _, at, v in found]}

    def page(self, query: Any) -> dict[str, Any]:
        found = self.samples(query["tags"].split(","), query["from"], query["to"])
        size = int(query["page_size"])
        first = (int(query["page"]) - 1) * size
        records = [
            {"tag": tag, "time": to_iso(at), "value": value}
            for tag, at, value in found[first : first + size]
        ]
        return {"total": len(found), "page": int(query["page"]), "records": records}

    @staticmethod
    def samples(tags: list[str], start: str, end: str) -> list[tuple[str, Micros, int]]:
        since, until = parse_iso(start), parse_iso(end)
        times = [Micros(at) for at in range(SINCE, UNTIL, STEP) if since <= at < until]
        return [(tag, at, at // STEP % 2) for at in times for tag in tags]


def make_pull_job(**slicing: Any) -> Job:
    """A job whose slices hold all that the historian has."""
    dataset = make_request()["dataset"]
    dataset["range"] = {"from": to_iso(SINCE), "to": to_iso(UNTIL)}
    dataset["slicing"] = {"window": "6h", "tags_per_request": 4, **slicing}
    dataset["frame"] = {"features": [{"name": "temp", "tag": "TEMP"}]}
    return make_job(request=make_request(dataset=dataset), concurrency=4)


class Bench:
    """A job that is being pulled, and what came of it."""

    def __init__(
        self, port: int, historian: Historian, secrets: dict[str, str] | None = None, **source: Any
    ) -> None:
        self.historian = historian
        self.secrets = MemorySecrets(secrets or {})
        self.source = make_source(
            port,
            name="n3uron-site01",
            **{"options": PAGED, "rate": {"rps": 5_000, "concurrency": 50}, **source},
        )
        self.store = MemoryKeyValueStore()
        self.objects = MemoryObjectStore()
        self.queue = MemoryQueue("slices")
        self.executions = MemoryExecutions()
        self.jobs = JobsStore(self.store, SystemClock())
        self.slices = SlicesStore(self.store, SystemClock(), pause_seconds=0.001)
        self.distributor = Distributor(
            self.jobs, self.slices, self.queue, self.executions, SystemClock()
        )
        self.metrics = Metrics("test")

    async def begin(self, job: Job | None = None, **slicing: Any) -> Job:
        await SourceStore(self.store).put(self.source)
        job = job or make_pull_job(**slicing)
        await self.store.write(Write(JOBS.name, job_key(JOB_ID), put=job_item(job)))
        await self.distributor.begin(job)
        return job

    def fetcher(self, clients: SourceClients, name: str, **policy: Any) -> Fetcher:
        quick = {"first_pause_seconds": 0.01, "attempts": 4, **policy}
        walker = SliceWalker(
            objects=self.objects,
            clients=clients,
            limit=SharedLimit(self.store, SystemClock(), name, patience_seconds=0.5),
            clock=SystemClock(),
            metrics=self.metrics,
            policy=FetchPolicy(**quick),
        )
        return Fetcher(
            walker,
            distributor=self.distributor,
            sources=SourceStore(self.store),
            store=self.store,
            queue=self.queue,
        )

    async def pull(
        self,
        *,
        fetchers: int = 2,
        seconds: float = PATIENCE_SECONDS,
        until: Callable[[], Awaitable[bool]] | None = None,
        **policy: Any,
    ) -> Job:
        """Run fetchers until the job's pull is decided, or until something else comes true."""
        clients = SourceClients(Guard(allow_loopback=True), self.secrets)
        stop = Stop()
        runs = [
            asyncio.create_task(self._consume(clients, f"fetcher-{n}", stop, policy))
            for n in range(fetchers)
        ]
        try:
            await answered(
                until or self._is_decided,
                "the pull is decided",
                seconds=seconds,
                every_seconds=0.01,
            )
        finally:
            stop.set()
            await asyncio.gather(*runs)
            await clients.close()
        return await self.job()

    async def _consume(
        self, clients: SourceClients, name: str, stop: Stop, policy: dict[str, Any]
    ) -> None:
        consumer = Consumer(
            self.queue,
            self.fetcher(clients, name, **policy).handle,
            queue="slices",
            stop=stop,
            metrics=self.metrics,
            concurrency=4,
            wait_seconds=0.05,
            drain_seconds=1.0,
        )
        await consumer.run()

    async def _is_decided(self) -> bool:
        job = await self.job()
        return bool(self.executions.payloads) or job.status is not JobStatus.PULLING

    async def job(self) -> Job:
        return await self.jobs.load(JOB_ID)

    async def all_slices(self) -> list[StoredSlice]:
        return [one async for one in self.slices.walk(await self.job())]

    async def records(self) -> list[SourceRecord]:
        """Everything that the preparer would read."""
        return await records_of(await self.job(), self.slices, self.objects, self.source)

    async def assert_whole(self) -> None:
        """Nothing is missing; what came twice is told apart by nothing but overlap."""
        found = [(str(record.tag), record.at) for record in await self.records()]
        assert set(found) == EXPECTED
        job = await self.job()
        assert (job.open, job.failed) == (0, 0)
        assert job.rows == len(found)


@asynccontextmanager
async def pulling(**source: Any) -> AsyncIterator[Bench]:
    """A bench beside its historian."""
    async with AsyncExitStack() as stack:
        historian = Historian()
        port = await stack.enter_async_context(serving(historian.answer))
        bench = Bench(port, historian, **source)
        stack.callback(bench.metrics.close)
        yield bench


async def records_of(
    job: Job, slices: SlicesStore, objects: ObjectStore, source: SourceBody
) -> list[SourceRecord]:
    """Read the raw slices of a job that are done."""
    found: list[SourceRecord] = []
    plugin, options = source.source_plugin, source.plugin_options()
    async for stored in slices.walk(job):
        if stored.state is not SliceState.DONE:
            continue
        raw = RawSlice(objects, job.raw_prefix, stored.slice.slice_id)
        manifest = await raw.manifest()
        assert manifest.rows == stored.rows
        for meta in manifest.pages:
            found += plugin.decode(await raw.read(meta), meta.request.tags, options)
    return found
