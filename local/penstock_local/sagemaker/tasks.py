"""Background tasks with a name and an owner that awaits them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Tasks:
    """Runs named tasks and ends them all at `close`. A crash of one is logged, never lost."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(
        self,
        name: str,
        work: Coroutine[Any, Any, None],
        *,
        on_crash: Callable[[BaseException], None] = lambda _error: None,
    ) -> asyncio.Task[None]:
        """Run the work; a bug in it is logged, then told to `on_crash`."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, on_crash))
        return task

    async def close(self) -> None:
        """Cancel what still runs and wait until all of it has cleaned up."""
        running = list(self._tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None], on_crash: Callable[[BaseException], None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("task.crashed", task=task.get_name(), exc_info=error)
            on_crash(error)
