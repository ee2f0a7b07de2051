"""The command itself on the embedded AWS: killed in the middle, it loses and doubles nothing."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import boto3
from aiohttp import web
from penstock.adapters.aws import aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.s3 import S3ObjectStore
from penstock.adapters.sqs import SqsPublisher, queue_url
from penstock.adapters.state_machine import StateMachine, machine_arn
from penstock.domain.datasets import SliceState
from penstock.ports import Write
from penstock.resources import JOBS, STATE_MACHINE, TRAINING, physical_name
from penstock.runtime.clock import SystemClock
from penstock.source_settings import SourceStore
from penstock_local.ports import free_port
from training_orchestrator.distribute import Distributor
from training_orchestrator.fetch_pages import RawSlice
from training_orchestrator.jobs_items import job_item, job_key
from training_orchestrator.jobs_store import JobsStore
from training_orchestrator.slices_store import SlicesStore

from tests.integration.fetcher.bench import (
    EXPECTED,
    SINCE,
    UNTIL,
    Historian,
    eventually,
    make_pull_job,
)
from tests.integration.sources.servers import make_source, serving
from tests.unit.training_orchestrator.factories import JOB_ID

REGION = "eu-west-1"
CURSOR = {
    "path": "/api/readings",
    "params": {"from": "{start}", "to": "{end}", "tags": "{tags}", "cursor": "{cursor}"},
    "records_path": "records",
    "paging": {"type": "cursor", "cursor_path": "next"},
}
DEFINITION = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})


@contextmanager
def fetcher_process(prefix: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    variables = {
        "PENSTOCK_NAME_PREFIX": prefix,
        "PENSTOCK_SOURCES_ALLOW_LOOPBACK": "true",
        "TRAINING_FETCHER_PORT": str(free_port()),
        "TRAINING_FETCHER_RECEIVE_WAIT_SECONDS": "1",
        "TRAINING_FETCHER_FIRST_PAUSE_SECONDS": "0.1",
    }
    with (folder / "fetcher.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "training_orchestrator.fetcher_app"],
            env={**os.environ, **variables},
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class CursorHistorian(Historian):
    """Twenty records a page, linked by cursors; holds the third page of the first slice back."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        self.fault = self.by_cursor

    async def by_cursor(self, request: web.Request) -> web.StreamResponse:
        cursor = request.query.get("cursor", "1")
        if cursor == "3":
            self.reached.set()
            await self.go_on.wait()
        found = self.page({**request.query, "page": cursor, "page_size": "20"})
        is_last = int(cursor) * 20 >= found["total"]
        return web.json_response({**found, "next": None if is_last else int(cursor) + 1})


async def test_a_fetcher_killed_in_the_middle_loses_nothing_and_doubles_nothing(
    name_prefix: str, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        historian = CursorHistorian()
        port = await stack.enter_async_context(serving(historian.answer))
        aws = await stack.enter_async_context(aws_clients(REGION))
        store = DynamoStore(await aws.dynamodb(), name_prefix)
        objects = S3ObjectStore(await aws.s3(), physical_name(name_prefix, TRAINING.name))
        arn = machine_arn(
            physical_name(name_prefix, STATE_MACHINE), region=REGION, account="000000000000"
        )
        machine = StateMachine(await aws.client("stepfunctions"), arn)
        await machine.ensure(DEFINITION, "arn:aws:iam::000000000000:role/any")
        sqs = await aws.sqs()
        url = await queue_url(sqs, physical_name(name_prefix, "slices"))
        _redeliver_soon(url)
        clock = SystemClock()
        jobs, slices = JobsStore(store, clock), SlicesStore(store, clock)
        distributor = Distributor(jobs, slices, SqsPublisher(sqs, url), machine, clock)
        rate = {"rps": 200, "concurrency": 10}
        source = make_source(port, name="n3uron-site01", options=CURSOR, rate=rate)
        await SourceStore(store).put(source)
        job = make_pull_job(window="12h")
        await store.write(Write(JOBS.name, job_key(JOB_ID), put=job_item(job)))
        await distributor.begin(job)

        with fetcher_process(name_prefix, tmp_path) as first:
            async with asyncio.timeout(60):
                await historian.reached.wait()
            first.kill()
            first.wait()
        asked = len(historian.requests)
        historian.go_on.set()

        async def is_started() -> bool:
            return await machine.status(job.execution_name) is not None

        with fetcher_process(name_prefix, tmp_path):
            await eventually(is_started, seconds=120)

        job = await jobs.load(JOB_ID)
        found: list[tuple[str, int]] = []
        plugin, options = source.source_plugin, source.plugin_options()
        async for stored in slices.walk(job):
            assert stored.state is SliceState.DONE
            manifest = await RawSlice(objects, job.raw_prefix, stored.slice.slice_id).manifest()
            raw = RawSlice(objects, job.raw_prefix, stored.slice.slice_id)
            for meta in manifest.pages:
                records = plugin.decode(await raw.read(meta), meta.request.tags, options)
                found += [(str(record.tag), record.at) for record in records]
        assert len(found) == len(EXPECTED) == job.rows
        assert set(found) == EXPECTED
        assert (job.open, job.failed, job.done) == (0, 0, 2)
        # Pages that were on S3 before the kill were not asked for again.
        first_pages = [r for r in historian.requests[asked:] if "cursor" not in r.query]
        assert len(first_pages) == 0
        assert UNTIL > SINCE


def _redeliver_soon(url: str) -> None:
    """Show messages of a dead fetcher again after seconds instead of minutes."""
    client: Any = boto3.client("sqs", region_name=REGION)
    client.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "4"})
