"""A preparer over memory stores, with raw slices as a fetcher leaves them."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from penstock import model_types
from penstock.adapters.memory import MemoryKeyValueStore, MemoryObjectStore, MemoryQueue
from penstock.adapters.memory_training import MemoryTaskTokens
from penstock.channels.prepare import CHANNEL, VERSION, PrepareMessage
from penstock.domain.datasets import Slice, SliceState
from penstock.domain.ids import DatasetId, SliceId, TagPath
from penstock.domain.jobs import Job, JobStatus
from penstock.domain.time import Micros
from penstock.model_type import ModelType
from penstock.plugins import discover
from penstock.ports import Write
from penstock.resources import DATASETS, JOBS, SLICES
from penstock.runtime.clock import SystemClock
from penstock.runtime.telemetry import Metrics
from penstock.source import SourceAnswer, SourceRequest
from penstock.source_settings import SourceStore
from training_orchestrator.bodies import JobBody
from training_orchestrator.dataset_bodies import DatasetBody
from training_orchestrator.datasets_store import DatasetsStore, new_dataset
from training_orchestrator.fetch_pages import PageMeta, RawSlice
from training_orchestrator.jobs_items import job_item, job_key, open_slice, slice_key
from training_orchestrator.jobs_store import JobsStore
from training_orchestrator.prepare import PrepareLimits, Preparer
from training_orchestrator.slices_store import SlicesStore

from tests.unit.training_orchestrator.prepare_folders import SOURCE

JOB_ID = "job-01kafzcf00000000000000000a"
DATASET_ID = DatasetId("ds_01kafzcf00000000000000000a")
TOKEN = "token-1"


class Bench:
    """A job whose slices are in."""

    def __init__(self, recipe: DatasetBody, work_dir: Path, algorithm: str = "xgboost") -> None:
        self.work_dir = work_dir
        self.store = MemoryKeyValueStore()
        self.objects = MemoryObjectStore()
        self.tokens = MemoryTaskTokens()
        self.jobs = JobsStore(self.store, SystemClock())
        self.datasets = DatasetsStore(self.store, SystemClock())
        self.metrics = Metrics("test")
        self.recipe = recipe
        body = {"model": "pump", "dataset": recipe.model_dump(mode="json")}
        self.job = Job(
            job_id=JOB_ID,  # type: ignore[arg-type]  # an id of a test
            run=1,
            status=JobStatus.PREPARING,
            model="pump",
            body=JobBody.model_validate(
                {**body, "train": {"algorithm": algorithm}}
            ).model_dump_json(),
            dataset_id=DATASET_ID,
            created_at=SystemClock().now(),
        )

    async def pulled(self, pages_by_slice: Sequence[Sequence[bytes]]) -> None:
        await SourceStore(self.store).put(SOURCE)
        await self.store.write(Write(JOBS.name, job_key(JOB_ID), put=job_item(self.job)))
        await self.store.write(new_dataset(DATASET_ID, JOB_ID, self.recipe, at=SystemClock().now()))
        for position, bodies in enumerate(pages_by_slice):
            await self._slice(f"{position:06d}", bodies)

    async def _slice(self, slice_id: str, bodies: Sequence[bytes]) -> None:
        piece = Slice(SliceId(slice_id), Micros(0), Micros(1), (TagPath("/S/P-101/TEMP"),))
        raw = RawSlice(self.objects, self.job.raw_prefix, slice_id)
        metas = []
        for position, body in enumerate(bodies):
            request = SourceRequest("/api/readings", tags=piece.tags)
            answer = SourceAnswer(request, body, rows=1)
            meta = PageMeta(
                key="", url="", status=200, headers={}, fetched_at=Micros(0), rows=1,
                bytes=len(body), digest="", request=request,
            )  # fmt: skip
            metas.append(await raw.add(position, answer, meta))
        await raw.finish(metas)
        await self.store.write(open_slice(self.job, piece))
        await self.set_slice(slice_id, SliceState.DONE)

    async def set_slice(self, slice_id: str, state: SliceState) -> None:
        key = slice_key(self.job, slice_id)
        await self.store.write(Write(SLICES.name, key, set={"state": state.value}))

    def preparer(self, **limits: Any) -> Preparer:
        return Preparer(
            jobs=self.jobs,
            slices=SlicesStore(self.store, SystemClock()),
            datasets=self.datasets,
            sources=SourceStore(self.store),
            objects=self.objects,
            tokens=self.tokens,
            model_types=discover(model_types, attribute="MODEL_TYPE", kind=ModelType),
            metrics=self.metrics,
            limits=PrepareLimits(
                **{"work_dir": self.work_dir, "heartbeat_seconds": 0.05, **limits}
            ),
        )

    async def prepare(self, token: str = TOKEN, *, receives: int = 1, **limits: Any) -> Any:
        """Deliver one message for that time, and return what the token was answered."""
        queue = MemoryQueue("prepare")
        message = PrepareMessage(
            version=VERSION, id="p", created_at=Micros(0), job_id=JOB_ID, run=1, task_token=token
        )
        await queue.publish([CHANNEL.encode(message)])
        (delivery,) = await queue.receive(at_most=1, wait_seconds=0)
        for _ in range(receives - 1):
            await delivery.nack(0)
            (delivery,) = await queue.receive(at_most=1, wait_seconds=0)
        await self.preparer(**limits).handle(delivery)
        return self.tokens.answers.get(token)

    def manifest(self) -> dict[str, Any]:
        body = self.objects.objects[f"datasets/{DATASET_ID}/manifest.json"]
        found: dict[str, Any] = json.loads(body)
        return found

    async def is_ready(self) -> bool:
        item = await self.store.get(DATASETS.name, {"dataset_id": DATASET_ID})
        return item is not None and "manifest" in item


@asynccontextmanager
async def prepared(
    recipe: DatasetBody, pages: Sequence[Sequence[bytes]], work_dir: Path, **parts: Any
) -> AsyncIterator[Bench]:
    """A bench whose slices are in; nothing may be left in its work folder at the end."""
    bench = Bench(recipe, work_dir, **parts)
    await bench.pulled(pages)
    try:
        yield bench
    finally:
        bench.metrics.close()
        left = await asyncio.to_thread(lambda: list(work_dir.iterdir()))
        assert left == []
