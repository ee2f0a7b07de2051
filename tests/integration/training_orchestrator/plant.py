"""The orchestrator over the embedded AWS and SageMaker; the test is fetcher and preparer itself."""

import contextlib
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import httpx
from penstock.adapters.aws import aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.s3 import S3ObjectStore
from penstock.adapters.sqs import SqsReceiver, open_publisher, queue_url
from penstock.adapters.state_machine import StateMachine, TaskTokens, machine_arn
from penstock.channels import prepare, slices
from penstock.domain.datasets import SliceState
from penstock.domain.jobs import SliceOutcome
from penstock.domain.time import Micros
from penstock.resources import STATE_MACHINE, TRAINING, physical_name
from penstock.runtime.clock import SystemClock
from penstock.source import SourceAnswer, SourceRequest
from penstock.source_settings import SourceBody, SourceStore
from training_orchestrator.app import create_app
from training_orchestrator.datasets_store import DatasetsStore, dataset_prefix
from training_orchestrator.distribute import Distributor
from training_orchestrator.fetch_pages import PageMeta, RawSlice
from training_orchestrator.jobs_store import JobsStore
from training_orchestrator.settings import Settings
from training_orchestrator.slices_store import SlicesStore

from tests.fixtures.waiting import answered

T = TypeVar("T")

COUNTS = {"train": 700, "validation": 100, "test": 200}

REQUEST: dict[str, Any] = {
    "model": "pump-failure",
    "dataset": {
        "source": "n3uron-site01",
        "range": {"from": "2026-11-01T00:00:00Z", "to": "2026-11-03T00:00:00Z"},
        "assets": {"names": ["P-101"], "tag_pattern": "/SITE01/{asset}/{tag}"},
        "slicing": {"window": "12h"},
        "frame": {
            "every": "1m",
            "features": [{"name": "temp", "tag": "TEMP"}, {"name": "vib", "tag": "VIBRATION"}],
        },
        "label": {"tag": "FAILURE"},
    },
    "train": {"hyperparameters": {"num_round": 10, "max_depth": 3}},
    "evaluate": {"metric": "roc_auc", "min": 0.9},
}


def rows(count: int, *, seed: int) -> bytes:
    """Hot pumps that shake fail."""
    chance = random.Random(seed)
    lines = []
    for _ in range(count):
        temp, vibration = chance.uniform(40, 100), chance.uniform(0, 10)
        label = int(temp + 4 * vibration + chance.gauss(0, 2) > 100)
        lines.append(f"{label},{temp:.3f},{vibration:.3f}\n")
    return "".join(lines).encode()


class Plant:
    """Clients of the running orchestrator, and of what stands around it."""

    def __init__(self, http: httpx.AsyncClient, prefix: str, clients: Any) -> None:
        self.http = http
        self._prefix = prefix
        self._clients = clients

    async def open(self) -> None:
        clock = SystemClock()
        store = DynamoStore(await self._clients.dynamodb(), self._prefix)
        sqs = await self._clients.sqs()
        steps = await self._clients.client("stepfunctions")
        name = physical_name(self._prefix, STATE_MACHINE)
        self.machine = StateMachine(
            steps, machine_arn(name, region="eu-west-1", account="000000000000")
        )
        self.tokens = TaskTokens(steps)
        self.jobs = JobsStore(store, clock)
        self.datasets = DatasetsStore(store, clock)
        self.bucket = S3ObjectStore(
            await self._clients.s3(), physical_name(self._prefix, TRAINING.name)
        )
        self.sagemaker = await self._clients.client("sagemaker")
        slices_name = physical_name(self._prefix, slices.CHANNEL.name)
        publisher = await open_publisher(sqs, slices_name)
        self.distributor = Distributor(
            self.jobs, SlicesStore(store, clock), publisher, self.machine, clock
        )
        self._slices = SqsReceiver(sqs, await queue_url(sqs, slices_name))
        prepare_name = physical_name(self._prefix, prepare.CHANNEL.name)
        self._prepare = SqsReceiver(sqs, await queue_url(sqs, prepare_name))
        source = {"name": "n3uron-site01", "plugin": "n3uron", "base_url": "https://n3uron.example"}
        await SourceStore(store).put(SourceBody.model_validate(source))

    async def post(self, path: str, body: Any = None, *, expect: int = 202) -> dict[str, Any]:
        answer = await self.http.post(path, json=body)
        assert answer.status_code == expect, answer.text
        return dict(answer.json())

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def fetch_all(self, outcome: SliceOutcome | None = None) -> int:
        """Settle slices until none is on the queue any more."""
        count = 0
        while deliveries := await self._slices.receive(at_most=10, wait_seconds=1):
            for delivery in deliveries:
                message = slices.CHANNEL.decode(delivery.body)
                done = outcome or SliceOutcome(SliceState.DONE, rows=720)
                await self.distributor.settle(message.job_id, message.slice_id, done)
                await delivery.ack()
                count += 1
        return count

    async def pull_all(self, page_of: Callable[[slices.SliceMessage], bytes]) -> None:
        """Settle slices until none is on the queue any more, storing a page of each before."""
        while deliveries := await self._slices.receive(at_most=10, wait_seconds=1):
            for delivery in deliveries:
                message = slices.CHANNEL.decode(delivery.body)
                job = await self.jobs.load(message.job_id)
                raw = RawSlice(self.bucket, job.raw_prefix, message.slice_id)
                request = SourceRequest("/tag", tags=tuple(message.tags))
                page = SourceAnswer(request, page_of(message), rows=1)
                meta = PageMeta(
                    key="", url="https://n3uron.example/tag", status=200, headers={},
                    fetched_at=Micros(0), rows=1, bytes=len(page.body), digest="", request=request,
                )  # fmt: skip
                await raw.finish([await raw.add(0, page, meta)])
                done = SliceOutcome(SliceState.DONE, rows=1, bytes=len(page.body))
                await self.distributor.settle(message.job_id, message.slice_id, done)
                await delivery.ack()

    async def prepare(self, *, fail: str = "") -> None:
        """Take one dataset's order and do it, or fail it."""

        async def take() -> Any:
            return await self._prepare.receive(at_most=1, wait_seconds=1)

        (delivery,) = await answered(take, "a dataset is ordered")
        message = prepare.CHANNEL.decode(delivery.body)
        await delivery.ack()
        if fail:
            await self.tokens.fail(message.task_token, "InvalidInput", fail)
            return
        job = await self.jobs.load(message.job_id)
        for seed, (part, count) in enumerate(
            {"train": 700, "validation": 100, "test": 200}.items()
        ):
            key = f"{dataset_prefix(job.dataset_id)}{part}/part-0.csv"
            await self.bucket.put(key, rows(count, seed=seed))
        await self.datasets.finish(job.dataset_id, {"trained_to": "2026-11-02T14:00:00Z"})
        await self.tokens.succeed(message.task_token, {})

    async def status(self, job_id: str, *wanted: str, seconds: float = 180) -> dict[str, Any]:
        """Wait for one of the statuses."""
        seen: list[str] = []

        async def look() -> dict[str, Any] | None:
            job = await self.get(f"/v1/jobs/{job_id}")
            seen.append(f"{job['status']}: {job['reason']}")
            return job if job["status"] in wanted else None

        try:
            return await answered(look, f"job is one of {wanted}", seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; last seen {seen[-1]}") from None


@contextlib.asynccontextmanager
async def running(prefix: str, **settings: Any) -> AsyncIterator[Plant]:
    """The orchestrator with its consumer and sweeper, as its process has them."""
    given = Settings(
        name_prefix=prefix, api_tokens={"t": "admin"}, sweep_seconds=1.0,
        receive_wait_seconds=1.0, **settings,
    )  # fmt: skip
    app = create_app(given)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        clients = await stack.enter_async_context(aws_clients("eu-west-1"))
        http = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://penstock",
                headers={"authorization": "Bearer t"}, timeout=60,
            )
        )  # fmt: skip
        plant = Plant(http, prefix, clients)
        await plant.open()
        yield plant
