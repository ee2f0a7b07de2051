"""The command itself on the embedded AWS: killed in the middle, it loses and doubles nothing.

What it cannot read it gives up at once, and goes on.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from aiohttp import web
from penstock.adapters.aws import aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.s3 import S3ObjectStore
from penstock.adapters.sqs import SqsPublisher, queue_url
from penstock.adapters.state_machine import StateMachine, machine_arn
from penstock.channels.slices import CHANNEL
from penstock.domain.jobs import Job
from penstock.ports import Write
from penstock.resources import JOBS, STATE_MACHINE, TRAINING, physical_name
from penstock.runtime.clock import SystemClock
from penstock.source_settings import SourceBody, SourceStore
from training_orchestrator.distribute import Distributor
from training_orchestrator.jobs_items import job_item, job_key
from training_orchestrator.jobs_store import JobsStore
from training_orchestrator.slices_store import SlicesStore

from tests.fixtures.processes import ENDED_IN_ORDER, CommandProcess, command
from tests.fixtures.waiting import PATIENCE_SECONDS, answered
from tests.integration.fetcher.bench import EXPECTED, Historian, make_pull_job, records_of
from tests.integration.sources.servers import make_source, serving
from tests.unit.training_orchestrator.factories import JOB_ID

REGION, SLICES = "eu-west-1", "slices"
CURSOR = {
    "path": "/api/readings",
    "params": {"from": "{start}", "to": "{end}", "tags": "{tags}", "cursor": "{cursor}"},
    "records_path": "records",
    "paging": {"type": "cursor", "cursor_path": "next"},
}
DEFINITION = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})


@contextmanager
def fetcher_process(prefix: str, folder: Path) -> Iterator[CommandProcess]:
    variables = {
        "PENSTOCK_SOURCES_ALLOW_LOOPBACK": "true",
        "TRAINING_FETCHER_RECEIVE_WAIT_SECONDS": "1",
        "TRAINING_FETCHER_FIRST_PAUSE_SECONDS": "0.1",
    }
    with command("training-fetcher", prefix, folder, variables) as process:
        process.start()
        yield process


class CursorHistorian(Historian):
    """Twenty records a page, linked by cursors; holds the third page of both slices back."""

    def __init__(self) -> None:
        super().__init__()
        self.held_back = 0
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        self.fault = self.by_cursor

    async def by_cursor(self, request: web.Request) -> web.StreamResponse:
        cursor = request.query.get("cursor", "1")
        if cursor == "3":
            self.held_back += 1
            if self.held_back == 2:  # one that lags behind had nothing on S3 yet
                self.reached.set()
            await self.go_on.wait()
        found = self.page({**request.query, "page": cursor, "page_size": "20"})
        is_last = int(cursor) * 20 >= found["total"]
        return web.json_response({**found, "next": None if is_last else int(cursor) + 1})


@dataclass(frozen=True, slots=True)
class Pull:
    """A job that is being pulled on the embedded AWS, and who answers it."""

    historian: CursorHistorian
    source: SourceBody
    machine: StateMachine
    jobs: JobsStore
    slices: SlicesStore
    objects: S3ObjectStore
    job: Job

    async def is_started(self) -> bool:
        """Whether all slices are in, so that the job goes on."""
        return await self.machine.status(self.job.execution_name) is not None


@asynccontextmanager
async def pulling(prefix: str) -> AsyncIterator[Pull]:
    """Begin a pull, its slices on the queue of this prefix."""
    historian, clock = CursorHistorian(), SystemClock()
    async with serving(historian.answer) as port, aws_clients(REGION) as aws:
        store = DynamoStore(await aws.dynamodb(), prefix)
        name = physical_name(prefix, STATE_MACHINE)
        arn = machine_arn(name, region=REGION, account="000000000000")
        machine = StateMachine(await aws.client("stepfunctions"), arn)
        await machine.ensure(DEFINITION, "arn:aws:iam::000000000000:role/any")
        sqs = await aws.sqs()
        url = await queue_url(sqs, physical_name(prefix, SLICES))
        _redeliver_soon(url)
        jobs, slices = JobsStore(store, clock), SlicesStore(store, clock)
        rate = {"rps": 200, "concurrency": 10}
        source = make_source(port, name="n3uron-site01", options=CURSOR, rate=rate)
        await SourceStore(store).put(source)
        job = make_pull_job(window="12h")
        await store.write(Write(JOBS.name, job_key(JOB_ID), put=job_item(job)))
        await Distributor(jobs, slices, SqsPublisher(sqs, url), machine, clock).begin(job)
        objects = S3ObjectStore(await aws.s3(), physical_name(prefix, TRAINING.name))
        yield Pull(historian, source, machine, jobs, slices, objects, job)


async def test_a_fetcher_killed_in_the_middle_loses_nothing_and_doubles_nothing(
    name_prefix: str, tmp_path: Path
) -> None:
    async with pulling(name_prefix) as pull:
        historian = pull.historian
        with fetcher_process(name_prefix, tmp_path) as first:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await historian.reached.wait()
            first.kill()
        asked = len(historian.requests)
        historian.go_on.set()

        with fetcher_process(name_prefix, tmp_path) as second:
            await answered(pull.is_started, "the job goes on", seconds=240)
            assert second.end() in ENDED_IN_ORDER, second.output

        job = await pull.jobs.load(JOB_ID)
        records = await records_of(job, pull.slices, pull.objects, pull.source)
        found = [(str(record.tag), record.at) for record in records]
        assert len(found) == len(EXPECTED) == job.rows
        assert set(found) == EXPECTED
        assert (job.open, job.failed, job.done) == (0, 0, 2)
        # Pages that were on S3 before the kill were not asked for again.
        assert all("cursor" in request.query for request in historian.requests[asked:])


async def test_messages_that_it_cannot_read_are_given_up_at_once_and_the_pull_goes_on(
    name_prefix: str, tmp_path: Path
) -> None:
    async with pulling(name_prefix) as pull, aws_clients(REGION) as aws:
        pull.historian.go_on.set()
        sqs = await aws.sqs()
        slices = await queue_url(sqs, physical_name(name_prefix, SLICES))
        torn, newer = '{"version":1,"id":"to', '{"version":2,"id":"of-a-newer-build"}'
        for outcome in await SqsPublisher(sqs, slices).publish([torn, newer]):
            assert outcome.is_durable

        with fetcher_process(name_prefix, tmp_path) as process:
            letters = await _dead_letters(name_prefix, count=2)
            await answered(pull.is_started, "the job goes on", seconds=240)
            assert process.end() in ENDED_IN_ORDER, process.output

        assert set(letters) == {torn, newer}
        assert letters[torn].startswith("MalformedPayload: channel slices")
        assert "UnsupportedVersion: channel slices is read in version 1" in letters[newer]
        assert process.output.count('"delivery.dead_lettered"') == 2
        told = await sqs.get_queue_attributes(
            QueueUrl=slices,
            AttributeNames=[
                "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
            ],
        )  # fmt: skip
        assert set(told["Attributes"].values()) == {"0"}, "something is still on the queue"


async def _dead_letters(prefix: str, *, count: int) -> dict[str, str]:
    """Reasons by body, once there are so many."""
    (queue,) = CHANNEL.queues
    found: dict[str, str] = {}
    async with aws_clients(REGION) as aws, asyncio.timeout(PATIENCE_SECONDS):
        sqs = await aws.sqs()
        url = await queue_url(sqs, physical_name(prefix, queue.dead_letter_name))
        while len(found) < count:
            answer = await sqs.receive_message(
                QueueUrl=url, MessageAttributeNames=["reason"], WaitTimeSeconds=1
            )
            for message in answer.get("Messages", []):
                found[message["Body"]] = message["MessageAttributes"]["reason"]["StringValue"]
    return found


def _redeliver_soon(url: str) -> None:
    """Show messages of a dead fetcher again after seconds instead of minutes."""
    client: Any = boto3.client("sqs", region_name=REGION)
    client.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "4"})
