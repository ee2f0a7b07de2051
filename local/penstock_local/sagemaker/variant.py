"""One variant of an endpoint: its model on disk, its serving process, its restarts."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path

import aiohttp
import structlog

from penstock_local.ports import free_port
from penstock_local.sagemaker.archives import BadArchiveError
from penstock_local.sagemaker.container import Container, ContainerSpec
from penstock_local.sagemaker.model_data import fetch_model
from penstock_local.sagemaker.objects import TransferError
from penstock_local.sagemaker.records import VariantPlan
from penstock_local.sagemaker.tasks import Tasks
from penstock_local.sagemaker.tools import Tools

log = structlog.get_logger(__name__)

_PING_EVERY_SECONDS = 0.1
_PING_TIMEOUT_SECONDS = 2.0
_FIRST_RESTART_SECONDS = 0.5
_LAST_RESTART_SECONDS = 30.0
# A process that served this long has earned quick restarts again.
_STABLE_SECONDS = 60.0


class VariantFailedError(Exception):
    """The variant cannot serve; the text is the endpoint's FailureReason."""


def restart_delay(failures: int) -> float:
    """Double the wait with every failure in a row, up to half a minute."""
    return float(min(_FIRST_RESTART_SECONDS * 2**failures, _LAST_RESTART_SECONDS))


class Variant:
    """Serves until stopped: a process that ends by itself is started again with a growing wait."""

    def __init__(self, plan: VariantPlan, *, endpoint: str, folder: Path, tools: Tools) -> None:
        self.plan = plan
        self._endpoint = endpoint
        self._ml = folder / "ml"
        self._tools = tools
        self._log_path = tools.logs.for_variant(endpoint, plan.name)
        self._url: str | None = None
        self._container: Container | None = None
        self._tasks = Tasks()
        self._log_starts_at = 0
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def url(self) -> str | None:
        """Where it answers; None while it is not ready."""
        return self._url

    async def start(self) -> None:
        """Fetch the model and serve it; raises VariantFailedError and leaves nothing running."""
        async with self._tools.starts:
            await self._fetch_model()
            container = await self._launch()
        self._tasks.start(f"serve {self._endpoint}/{self.name}", self._keep_running(container))

    @contextmanager
    def carrying(self) -> Iterator[None]:
        """Count a request, so that a retiring variant waits for it."""
        self._in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._in_flight -= 1
            if self._in_flight == 0:
                self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Wait for the requests it carries, but not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    async def stop(self, grace_seconds: float) -> None:
        """End the process for good."""
        self._url = None
        await self._tasks.close()
        if self._container is not None:
            await self._container.stop(grace_seconds)

    async def _keep_running(self, container: Container) -> None:
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            started_at = clock()
            code = await container.wait()
            self._url = None
            failures = 0 if clock() - started_at > _STABLE_SECONDS else failures
            log.warning("variant.ended", endpoint=self._endpoint, variant=self.name, code=code)
            container, failures = await self._relaunch(failures)

    async def _relaunch(self, failures: int) -> tuple[Container, int]:
        while True:
            await asyncio.sleep(restart_delay(failures))
            failures += 1
            try:
                return await self._launch(), failures
            except VariantFailedError as error:
                log.warning(
                    "variant.restart_failed",
                    endpoint=self._endpoint,
                    variant=self.name,
                    reason=str(error),
                )

    async def _launch(self) -> Container:
        port = free_port()
        self._log_starts_at = self._tools.logs.size(self._log_path)
        try:
            container = await self._tools.host.start(self._spec(port))
        except OSError as error:
            raise VariantFailedError(f"variant {self.name} cannot be started: {error}") from error
        url = f"http://127.0.0.1:{port}"
        async with AsyncExitStack() as undo:
            undo.push_async_callback(container.wait)
            undo.callback(container.kill)
            await self._until_ready(container, url)
            undo.pop_all()
        self._container, self._url = container, url
        return container

    async def _until_ready(self, container: Container, url: str) -> None:
        limit = self.plan.startup_timeout_seconds or self._tools.settings.startup_timeout_seconds
        ended = asyncio.create_task(container.wait())
        try:
            async with asyncio.timeout(limit):
                while not await self._ping(url):
                    await asyncio.wait({ended}, timeout=_PING_EVERY_SECONDS)
                    if ended.done():
                        raise self._failed(f"the process ended with exit code {ended.result()}")
        except TimeoutError as error:
            raise self._failed(f"no answer to /ping within {limit:g} s") from error
        finally:
            ended.cancel()

    async def _ping(self, url: str) -> bool:
        timeout = aiohttp.ClientTimeout(total=_PING_TIMEOUT_SECONDS)
        try:
            async with self._tools.http.get(f"{url}/ping", timeout=timeout) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _fetch_model(self) -> None:
        stop = threading.Event()
        try:
            await asyncio.to_thread(fetch_model, self.plan, self._ml, self._tools.objects, stop)
        except asyncio.CancelledError:
            stop.set()
            raise
        except (TransferError, BadArchiveError, OSError) as error:
            url = self.plan.model_url
            raise VariantFailedError(
                f"Failed to download model data for variant {self.name} from {url}: {error}"
            ) from error

    def _spec(self, port: int) -> ContainerSpec:
        program = self._tools.images.find(self.plan.image)
        if program is None or program.serve is None:
            raise VariantFailedError(f"no program is registered to serve {self.plan.image}")
        return ContainerSpec(
            argv=program.serve,
            environment={**self.plan.environment, "SAGEMAKER_BIND_TO_PORT": str(port)},
            ml=self._ml,
            log_path=self._log_path,
        )

    def _failed(self, what: str) -> VariantFailedError:
        words = self._tools.logs.last_words(self._log_path, since=self._log_starts_at)
        return VariantFailedError(
            f"The primary container for production variant {self.name} did not pass the ping "
            f"health check: {what}. Last words: {words}"
        )
