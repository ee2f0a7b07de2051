"""What a fetcher does with messages that no repeat can make readable or true, and its way out."""

import asyncio

import msgspec
import pytest
from penstock.adapters.memory import (
    FakeClock,
    MemoryKeyValueStore,
    MemoryObjectStore,
    MemoryQueue,
    MemorySecrets,
)
from penstock.adapters.memory_training import MemoryExecutions
from penstock.channels.slices import CHANNEL, VERSION, SliceMessage
from penstock.domain.time import Micros
from penstock.runtime.consumer import Consumer
from penstock.runtime.lifecycle import Stop
from penstock.runtime.telemetry import Metrics
from penstock.source_client import SourceClients
from penstock.source_guard import Guard
from penstock.source_settings import SourceStore
from pydantic import ValidationError
from training_orchestrator.distribute import Distributor
from training_orchestrator.fetch import Fetcher
from training_orchestrator.fetch_limit import SharedLimit
from training_orchestrator.fetch_policy import FetchPolicy
from training_orchestrator.fetch_walk import SliceWalker
from training_orchestrator.fetcher_app import FetcherSettings
from training_orchestrator.jobs_store import JobsStore
from training_orchestrator.slices_store import SlicesStore

from tests.fixtures.waiting import PATIENCE_SECONDS, until

OF_NO_JOB = CHANNEL.encode(
    SliceMessage(
        version=VERSION, id="01kafzcf", created_at=Micros(0), job_id="job-of-another-stack", run=1,
        slice_id="000000", source="n3uron-site01", since=Micros(0), until=Micros(1), tags=[],
    )
)  # fmt: skip


def make_fetcher(queue: MemoryQueue, metrics: Metrics) -> Fetcher:
    """One over empty stores: it knows no job and no source."""
    store, clock = MemoryKeyValueStore(), FakeClock()
    walker = SliceWalker(
        objects=MemoryObjectStore(),
        clients=SourceClients(Guard(), MemorySecrets({})),
        limit=SharedLimit(store, clock, "fetcher-1"),
        clock=clock,
        metrics=metrics,
        policy=FetchPolicy(),
    )
    jobs, slices = JobsStore(store, clock), SlicesStore(store, clock)
    return Fetcher(
        walker,
        distributor=Distributor(jobs, slices, queue, MemoryExecutions(), clock),
        sources=SourceStore(store),
        store=store,
        queue=queue,
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("not of this world", "MalformedPayload: channel slices"),
        (msgspec.json.encode({"version": VERSION}).decode(), "MalformedPayload: channel slices"),
        (
            msgspec.json.encode({"version": VERSION + 1}).decode(),
            f"UnsupportedVersion: channel slices is read in version {VERSION}: deploy readers",
        ),
        (OF_NO_JOB, "UnknownJob: no job job-of-another-stack"),
    ],
    ids=["no-json", "lacks-all", "newer-build", "no-job"],
)
async def test_what_can_never_be_fetched_is_given_up_at_its_first_receive(
    body: str, reason: str
) -> None:
    queue, metrics, stop = MemoryQueue("slices"), Metrics("test"), Stop()
    await queue.publish([body])
    consumer = Consumer(
        queue, make_fetcher(queue, metrics).handle,
        queue="slices", stop=stop, metrics=metrics, wait_seconds=0.02,
    )  # fmt: skip
    running = asyncio.create_task(consumer.run())
    try:
        await until(lambda: bool(queue.dead_letters))
    finally:
        stop.set()
        await asyncio.wait_for(running, PATIENCE_SECONDS)
        metrics.close()
    (letter,) = queue.dead_letters
    assert letter[0] == body
    assert letter[1].startswith(reason)
    assert queue.bodies == []


def test_the_proxy_of_sources_is_its_own_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.acme.example:3128")
    assert FetcherSettings().proxy is None
    monkeypatch.setenv("PENSTOCK_SOURCES_PROXY", "http://proxy.acme.example:3128")
    assert FetcherSettings().proxy == "http://proxy.acme.example:3128"


@pytest.mark.parametrize(
    "url",
    ["proxy:3128", "https://proxy:3128", "socks5://proxy:1080", "http://u:p@proxy:3128",
     "http://proxy", "http://proxy:3128/path"],
)  # fmt: skip
def test_a_proxy_that_cannot_be_used_is_refused_at_the_start(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_SOURCES_PROXY", url)
    with pytest.raises(ValidationError, match="should match pattern"):
        FetcherSettings()
