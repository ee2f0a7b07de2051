"""One dataset: fetch its raw pages, have a process of its own make the files, publish them.

The manifest is written last: whoever finds one finds everything, and a repeated delivery adopts it.
"""

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from penstock.channels.prepare import CHANNEL, PrepareMessage
from penstock.domain.datasets import SliceState
from penstock.domain.errors import Conflict, InvalidInput, NotFound, Unavailable, UnknownObject
from penstock.domain.jobs import Job
from penstock.gathering import gather_all
from penstock.model_type import ModelType
from penstock.ports import Delivery, ObjectStore
from penstock.runtime.telemetry import Metrics
from penstock.runtime.tracing import current_span
from penstock.source_settings import SourceStore

from training_orchestrator.datasets_store import MANIFEST, DatasetsStore, dataset_prefix
from training_orchestrator.fetch_pages import PageMeta, RawSlice
from training_orchestrator.jobs_store import JobsStore, body_of, recipe_of
from training_orchestrator.ports import TaskTokens
from training_orchestrator.prepare_order import (
    OUT,
    PreparationDied,
    PrepareOrder,
    PrepareResult,
    RawMissing,
    RawPage,
    read_result,
    write_order,
)
from training_orchestrator.slices_store import SlicesStore

_AT_ONCE = 8
_WAITING = 200
_SECRET_PREFIXES = ("AWS_", "PENSTOCK_", "TRAINING_")
_CONTENT_TYPES = {".csv": "text/csv", ".json": "application/json"}
_TOLD_BYTES = 2_000

log = structlog.get_logger()

Manifest = Mapping[str, object]


class Stopped(InvalidInput):
    """The job was asked to stop: the state machine goes no further."""


class _TokenLost(Exception):
    """The task was given up, or to another: nobody waits for this answer."""


class _Failed(Exception):
    """The process told why the dataset cannot be made."""

    def __init__(self, result: PrepareResult) -> None:
        super().__init__(result.cause)
        self.error = result.error


@dataclass(frozen=True, slots=True)
class PrepareLimits:
    """What one preparation may take, and how often it shows that it lives."""

    memory_mb: int = 1_024
    work_dir: Path | None = None
    heartbeat_seconds: float = 15.0
    attempts: int = 3


class Preparer:
    """Handles deliveries of queue `prepare`, one dataset each."""

    def __init__(
        self,
        *,
        jobs: JobsStore,
        slices: SlicesStore,
        datasets: DatasetsStore,
        sources: SourceStore,
        objects: ObjectStore,
        tokens: TaskTokens,
        model_types: Mapping[str, ModelType],
        metrics: Metrics,
        limits: PrepareLimits,
    ) -> None:
        """Wire a preparer."""
        self._jobs = jobs
        self._slices = slices
        self._datasets = datasets
        self._sources = sources
        self._objects = objects
        self._tokens = tokens
        self._model_types = model_types
        self._metrics = metrics
        self._limits = limits

    async def handle(self, delivery: Delivery) -> None:
        """Prepare the dataset of a job's run and answer its task token."""
        message = CHANNEL.decode(delivery.body)
        started = time.monotonic()
        with structlog.contextvars.bound_contextvars(job_id=message.job_id):
            outcome = await self._answer(message, delivery.receive_count)
            self._metrics.count("datasets", outcome=outcome)
            current_span().note({"penstock.job_id": message.job_id, "penstock.state": outcome})
            duration_ms = round((time.monotonic() - started) * 1000)
            log.info("dataset.settled", outcome=outcome, duration_ms=duration_ms)

    async def _answer(self, message: PrepareMessage, receive_count: int) -> str:
        token = message.task_token
        try:
            manifest = await self._watched(message)
        except _TokenLost:
            log.warning("answer.discarded")
            return "discarded"
        except _Failed as failed:
            await _discarding(self._tokens.fail(token, failed.error, str(failed)))
            return failed.error
        except (InvalidInput, NotFound) as error:
            is_last = receive_count >= self._limits.attempts
            if isinstance(error, PreparationDied) and not is_last:
                # Whatever killed it may be gone: a neighbour's memory, a machine that went down.
                raise Unavailable(str(error)) from error
            await _discarding(self._tokens.fail(token, type(error).__name__, str(error)))
            return type(error).__name__
        answer = {"dataset_id": manifest["dataset_id"], "counts": manifest["counts"]}
        await _discarding(self._tokens.succeed(token, answer))
        return "prepared"

    async def _watched(self, message: PrepareMessage) -> Manifest:
        """Do the work beside the heartbeat; a stop, or a lost token, ends it."""
        job = await self._jobs.load(message.job_id)
        if job.run != message.run:
            raise NotFound(f"job {job.job_id} is in run {job.run}, not {message.run}")
        work = asyncio.create_task(self._manifest_of(job), name="prepare.work")
        watch = asyncio.create_task(self._watch(message), name="prepare.watch")
        try:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            watch.result()
            raise AssertionError("a watch ends by raising")
        finally:
            for task in (work, watch):
                task.cancel()
            await asyncio.gather(work, watch, return_exceptions=True)

    async def _watch(self, message: PrepareMessage) -> None:
        while True:
            try:
                if (await self._jobs.load(message.job_id)).stop_requested:
                    raise Stopped(f"job {message.job_id} was asked to stop")
                await self._tokens.heartbeat(message.task_token)
            except Conflict as error:
                raise _TokenLost from error
            except Unavailable as error:
                log.warning("heartbeat.failed", error=str(error))
            await asyncio.sleep(self._limits.heartbeat_seconds)

    async def _manifest_of(self, job: Job) -> Manifest:
        manifest = await self._manifest_before(job)
        if manifest is None:
            with self._folder() as folder:
                await self._gather(job, folder)
                await self._make(folder)
                manifest = await self._publish(job, folder)
        await self._datasets.finish(job.dataset_id, manifest)
        return manifest

    async def _manifest_before(self, job: Job) -> Manifest | None:
        """The manifest that an earlier delivery wrote before it could answer."""
        try:
            body = await self._objects.get(f"{dataset_prefix(job.dataset_id)}{MANIFEST}")
        except UnknownObject:
            return None
        found: dict[str, object] = json.loads(body)
        return found

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="prepare-", dir=self._limits.work_dir) as name:
            yield Path(name)

    async def _gather(self, job: Job, folder: Path) -> None:
        """Bring the raw pages of every finished slice, in the order of the plan."""
        recipe = recipe_of(job)
        source = await self._sources.get(recipe.pull.source)
        body = body_of(job)
        layout = self._model_types[body.algorithm].layout
        raw: list[RawPage] = []
        waiting: list[tuple[RawSlice, PageMeta]] = []
        async for page in self._pages(job):
            waiting.append(page)
            if len(waiting) == _WAITING:
                raw += await self._bring_all(folder, waiting, first=len(raw))
                waiting = []
        raw += await self._bring_all(folder, waiting, first=len(raw))
        order = PrepareOrder(
            dataset_id=job.dataset_id,
            job_id=job.job_id,
            recipe=body.dataset.model_dump_json(),
            source=source.model_dump_json(),
            has_label=layout.has_label and recipe.label is not None,
            allows_missing=layout.allows_missing,
            content_type=layout.content_type,
            memory_mb=self._limits.memory_mb,
            pages=raw,
        )
        await asyncio.to_thread(write_order, folder, order)

    async def _pages(self, job: Job) -> AsyncIterator[tuple[RawSlice, PageMeta]]:
        async for stored in self._slices.walk(job):
            if stored.state is SliceState.OPEN:
                raise RawMissing(f"slice {stored.slice.slice_id} was not pulled yet")
            if stored.state is not SliceState.DONE:
                continue
            raw = RawSlice(self._objects, job.raw_prefix, stored.slice.slice_id)
            try:
                manifest = await raw.manifest()
            except UnknownObject as error:
                raise _missing(error) from error
            for meta in manifest.pages:
                yield raw, meta

    async def _bring_all(
        self, folder: Path, pages: Sequence[tuple[RawSlice, PageMeta]], *, first: int
    ) -> list[RawPage]:
        bringing = (
            self._bring(folder, number, raw, meta)
            for number, (raw, meta) in enumerate(pages, start=first)
        )
        return await gather_all(bringing, at_once=_AT_ONCE)

    async def _bring(self, folder: Path, number: int, raw: RawSlice, meta: PageMeta) -> RawPage:
        try:
            body = await raw.read(meta)
        except UnknownObject as error:
            raise _missing(error) from error
        name = f"page-{number:07d}"
        await asyncio.to_thread((folder / name).write_bytes, body)
        return RawPage(name, meta.key, list(meta.request.tags))

    async def _make(self, folder: Path) -> None:
        """Run the process; it ends with us, whichever way we end."""
        with (folder / "stderr.log").open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "training_orchestrator.prepare_main",
                str(folder),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=stderr,
                env=_harmless(os.environ),
                start_new_session=True,  # a Ctrl-C in the terminal is ours to answer
            )
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        result = await asyncio.to_thread(read_result, folder)
        if result is None:
            raise _died(code, (folder / "stderr.log").read_bytes(), self._limits.memory_mb)
        if result.error:
            raise _Failed(result)

    async def _publish(self, job: Job, folder: Path) -> Manifest:
        """Upload every file, the manifest last."""
        out = folder / OUT
        prefix = dataset_prefix(job.dataset_id)
        names = [path.relative_to(out) for path in sorted(out.rglob("*")) if path.is_file()]
        await gather_all(
            (self._put(out, prefix, name) for name in names if str(name) != MANIFEST), at_once=2
        )
        await self._put(out, prefix, Path(MANIFEST))
        manifest: dict[str, object] = json.loads((out / MANIFEST).read_bytes())
        return manifest

    async def _put(self, out: Path, prefix: str, name: Path) -> None:
        body = await asyncio.to_thread((out / name).read_bytes)
        kind = _CONTENT_TYPES.get(name.suffix, "application/octet-stream")
        await self._objects.put(f"{prefix}{name}", body, content_type=kind)


async def _discarding(answering: Coroutine[Any, Any, None]) -> None:
    try:
        await answering
    except Conflict:
        log.warning("answer.discarded")


def _missing(error: UnknownObject) -> RawMissing:
    return RawMissing(f"{error}; the raw data of this job is gone or damaged: start a new job")


def _died(code: int, stderr: bytes, memory_mb: int) -> PreparationDied:
    if code < 0:
        return PreparationDied(
            f"the preparation was killed (signal {-code}), most likely for lack of memory"
            f" (DuckDB may take {memory_mb} MB): give the preparer more, or prepare less at once"
        )
    told = stderr[-_TOLD_BYTES:].decode(errors="replace").strip()
    return PreparationDied(f"the preparation ended with code {code}: {told}")


def _harmless(environment: Mapping[str, str]) -> dict[str, str]:
    """What a process needs that has neither network nor credentials."""
    return {k: v for k, v in environment.items() if not k.startswith(_SECRET_PREFIXES)}
