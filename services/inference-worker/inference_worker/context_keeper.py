"""Keeps the newest snapshot at hand: asks for versions, reads the rest only when they rose."""

import asyncio
from typing import Protocol

import structlog
from penstock.domain.assets import Context
from penstock.domain.errors import StoreUnavailable, Unavailable
from penstock.ports import ContextReader
from penstock.registry import ModelVersion
from penstock.runtime.lifecycle import Stop
from penstock.runtime.telemetry import Metrics

from inference_worker.context import Models, Snapshot, models_of

log = structlog.get_logger()


class ModelsReader(Protocol):
    """Reads the whole registry of models."""

    async def all(self) -> tuple[list[ModelVersion], dict[str, str]]:
        """Every version, and the champion's version by model; raise Unavailable."""
        ...


class ContextKeeper:
    """Polls the context and the registry; while either is down, the last snapshot serves."""

    def __init__(
        self,
        context: ContextReader,
        models: ModelsReader,
        *,
        metrics: Metrics,
        poll_seconds: float = 2.0,
    ) -> None:
        """Start without a snapshot; `run` gets the first one."""
        self._reader = context
        self._models_reader = models
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._snapshot: Snapshot | None = None
        self._is_stale = False

    def current(self) -> Snapshot:
        """The newest snapshot; raise Unavailable before there was one."""
        if self._snapshot is None:
            raise StoreUnavailable("the context was not read yet")
        return self._snapshot

    async def check(self) -> None:
        """Readiness: fails only while there never was a snapshot."""
        self.current()

    async def run(self, stop: Stop) -> None:
        """Poll until stop."""
        while not stop.is_set:
            await self.refresh()
            await stop.wait_for(self._poll_seconds)

    async def refresh(self) -> None:
        """Read what changed and replace the snapshot; a failure is told once and keeps it."""
        try:
            models = models_of(*await self._models_reader.all())
            context = await self._context()
        except Unavailable as error:
            if not self._is_stale:
                log.warning("context.stale", error=str(error), has_one=self._snapshot is not None)
            self._is_stale = True
            self._metrics.gauge("context_stale", 1)
            return
        self._is_stale = False
        self._metrics.gauge("context_stale", 0)
        await self._replace(context, models)

    async def _context(self) -> Context:
        held = self._snapshot
        if held is not None and await self._reader.version() == held.context.version:
            return held.context
        return await self._reader.read()

    async def _replace(self, context: Context, models: Models) -> None:
        held = self._snapshot
        if held is not None and held.context is context and held.models == models:
            return
        # Indexing a million tags takes a while: not on the loop.
        self._snapshot = await asyncio.to_thread(Snapshot, context, models)
        log.info(
            "context.replaced",
            version=context.version,
            assets=len(context.assets),
            bindings=len(context.bindings),
            models=len(models.versions),
        )
