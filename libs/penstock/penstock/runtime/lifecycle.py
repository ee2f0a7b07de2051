"""How a process lives: one stop event, owned tasks, a clean end."""

import asyncio
import contextlib
import gc
import os
import signal
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from types import FrameType
from typing import Any, Protocol

import structlog
import uvicorn
from starlette.types import ASGIApp

_OBJECTS_BEFORE_COLLECTING = 50_000
KEEP_ALIVE_SECONDS = 75
"""Longer than a load balancer keeps its connections (60 s), else it meets closed ones as 502."""

log = structlog.get_logger()


class Stop:
    """Says that the process is about to end; every wait also waits for it."""

    def __init__(self) -> None:
        """Start unset."""
        self._event = asyncio.Event()

    @property
    def is_set(self) -> bool:
        """Whether the end has been asked for."""
        return self._event.is_set()

    def set(self) -> None:
        """Ask for the end."""
        self._event.set()

    async def wait(self) -> bool:
        """Wait for the end."""
        return await self._event.wait()

    async def wait_for(self, seconds: float) -> bool:
        """Wait for that long or for the end; tell whether it is the end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)
        return self._event.is_set()


@contextlib.contextmanager
def stop_on_signals(stop: Stop) -> Iterator[None]:
    """Set `stop` when the process is told to end, before the server has closed its connections.

    Without it an answer that goes on for as long as there is something to tell would hold the
    server until its patience is over. The server's own handlers are called as well.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    held = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def tell(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop.set)
        server = held[signal.Signals(number)]
        if callable(server):
            server(number, frame)

    for number, server in held.items():
        if callable(server):
            signal.signal(number, tell)
    try:
        yield
    finally:
        for number, server in held.items():
            signal.signal(number, server)


@contextlib.asynccontextmanager
async def owned_task(
    work: Coroutine[Any, Any, None], *, name: str, stop: Stop, patience_seconds: float = 20.0
) -> AsyncIterator[asyncio.Task[None]]:
    """Run `work` beside the application; on leaving, set `stop` and wait for its end.

    A task that dies before its time takes the process with it: a dead worker behind a green
    health check is worse than a restart.
    """
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(lambda done: _end_process_if_dead(done, stop))
    try:
        yield task
    finally:
        stop.set()
        done, _ = await asyncio.wait({task}, timeout=patience_seconds)
        if not done:
            task.cancel()
            await asyncio.wait({task}, timeout=1.0)


def _end_process_if_dead(task: asyncio.Task[None], stop: Stop) -> None:
    if task.cancelled() or stop.is_set:
        return
    log.error("task.died", task=task.get_name(), exc_info=task.exception())
    stop.set()
    os.kill(os.getpid(), signal.SIGTERM)


class Listening(Protocol):
    """The settings of a process that serves."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def drain_seconds(self) -> float: ...


def collect_seldom() -> None:
    """Have the garbage collector look only at what is made from now on, and seldom.

    A body or a pack is a thousand objects that live for a millisecond and hold no cycles: looking
    through them, and through all modules, at every seven hundred finds nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING)


def run_service(app: ASGIApp, settings: Listening) -> None:
    """Serve until SIGTERM or SIGINT, then drain; end with an error where it never started."""
    server = uvicorn.Server(server_config(app, settings))
    server.run()
    if not server.started:
        raise SystemExit(1)  # uvicorn logs why, but would end as if all were well


def server_config(app: ASGIApp, settings: Listening) -> uvicorn.Config:
    """How every one of our processes serves."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        log_config=None,  # its lines go the way of all others
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(settings.drain_seconds) + 1,
    )
