"""One run of one training job: download its channels, run its program, upload what it made."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from penstock_local.sagemaker.artifacts import upload_artifacts
from penstock_local.sagemaker.container import (
    Container,
    ContainerSpec,
    make_ml_folders,
)
from penstock_local.sagemaker.lifecycle import MAX_REASON
from penstock_local.sagemaker.metrics import final_metrics
from penstock_local.sagemaker.objects import TransferError
from penstock_local.sagemaker.records import FinalMetric, TrainingJob
from penstock_local.sagemaker.tools import Tools
from penstock_local.sagemaker.training_input import (
    channel_urls,
    training_environment,
    write_config,
)

T = TypeVar("T")

# SageMaker's default when the request names no limit.
_DEFAULT_MAX_RUNTIME_SECONDS = 86_400


class JobFailedError(Exception):
    """The job cannot go on; the text is its FailureReason."""


class JobStoppedError(Exception):
    """StopTrainingJob came before there was a program to stop."""


@dataclass(frozen=True, slots=True)
class Stop:
    """One wish to stop, seen by the event loop and by a transfer in a thread."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    in_thread: threading.Event = field(default_factory=threading.Event)

    def set(self) -> None:
        self.asked.set()
        self.in_thread.set()

    async def unless_asked(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the work returns; if the stop comes first, cancel it and raise."""
        working = asyncio.ensure_future(work)
        asked = asyncio.ensure_future(self.asked.wait())
        try:
            await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise JobStoppedError
        finally:
            asked.cancel()
            working.cancel()


class TrainingRun:
    """The phases of one job, in order; each may raise JobFailedError or JobStoppedError."""

    def __init__(self, job: TrainingJob, *, ml: Path, stop: Stop, tools: Tools) -> None:
        self._job = job
        self._ml = ml
        self._stop = stop
        self._tools = tools
        self._log_path = tools.logs.for_job(job.name)

    async def download(self) -> None:
        """Lay out /opt/ml with the job's configuration and channels."""
        await asyncio.to_thread(self._download)
        if self._stop.asked.is_set():
            raise JobStoppedError

    async def run_program(self) -> str:
        """Run it to its end; return the secondary status that the end means."""
        container = await self._start_program()
        condition = self._job.request.get("StoppingCondition", {})
        limit = condition.get("MaxRuntimeInSeconds", _DEFAULT_MAX_RUNTIME_SECONDS)
        try:
            async with asyncio.timeout(limit):
                code = await self._stop.unless_asked(container.wait())
        except TimeoutError:
            await container.stop(self._tools.settings.stop_grace_seconds)
            return "MaxRuntimeExceeded"
        except JobStoppedError:
            await container.stop(self._tools.settings.stop_grace_seconds)
            return "Stopped"
        except asyncio.CancelledError:  # the server is ending
            await container.stop(self._tools.settings.shutdown_grace_seconds)
            raise
        if code != 0:
            reason = await asyncio.to_thread(self._explain)
            raise JobFailedError(f"AlgorithmError: {reason}, exit code: {code}")
        return "Completed"

    async def upload(self) -> str:
        """Upload model and output; return the model's URL."""
        request, name = self._job.request, self._job.name
        return await asyncio.to_thread(
            upload_artifacts, self._tools.objects, request, name, self._ml
        )

    async def read_metrics(self) -> tuple[FinalMetric, ...]:
        """Read what MetricDefinitions find in the log, also of a job that did not complete."""
        definitions = self._job.request["AlgorithmSpecification"].get("MetricDefinitions", [])
        now = self._tools.clock()

        def read() -> tuple[FinalMetric, ...]:
            with suppress(FileNotFoundError), self._log_path.open(errors="replace") as lines:
                return final_metrics(lines, definitions, at=now)
            return ()

        return await asyncio.to_thread(read) if definitions else ()

    async def _start_program(self) -> Container:
        try:
            return await self._tools.host.start(self._spec())
        except OSError as error:
            raise JobFailedError(f"ClientError: the program cannot be started: {error}") from error

    def _download(self) -> None:
        make_ml_folders(self._ml)
        write_config(self._ml, self._job.request)
        for channel, url in channel_urls(self._job.request).items():
            folder = self._ml / "input/data" / channel
            folder.mkdir()
            if not self._tools.objects.download_prefix(url, folder, self._stop.in_thread):
                raise TransferError(f"Data download failed: No S3 objects found under {url}")

    def _spec(self) -> ContainerSpec:
        image = self._job.request["AlgorithmSpecification"]["TrainingImage"]
        program = self._tools.images.find(image)
        if program is None or program.train is None:
            raise JobFailedError(f"ClientError: no program is registered to train {image}")
        return ContainerSpec(
            argv=program.train,
            environment=training_environment(self._job),
            ml=self._ml,
            log_path=self._log_path,
        )

    def _explain(self) -> str:
        """Why the program failed: what it left in the failure file, else its last words."""
        written = ""
        with suppress(OSError):
            written = (self._ml / "output/failure").read_text(errors="replace").strip()
        return written[:MAX_REASON] or self._tools.logs.last_words(self._log_path)
