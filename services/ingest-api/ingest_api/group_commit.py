"""Group commit: many requests travel in a few packs, and each learns whether its own are durable.

One loop takes what piled up, packs it and publishes; a request waits until every pack that holds a
part of it is durable. While a call is under way the next group gathers, so groups grow with the
load by themselves; `linger_seconds` gives a lonely request a moment for company.
"""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from penstock.channels.readings import CHANNEL
from penstock.domain.errors import StoreUnavailable, Unavailable
from penstock.ports import Publisher, PublishOutcome
from penstock.runtime.telemetry import Metrics
from pydantic import BaseModel, ConfigDict, Field

from ingest_api.packs import Pack, Packer, Submission

TOPIC = CHANNEL.carrier.name
PACKS_PER_CALL = 4
"""Packs that fill one batch call of 256 KiB."""

log = structlog.get_logger()


class CommitSettings(BaseModel):
    """How long to gather, how much to hold, how long to try."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    linger_seconds: float = Field(default=0.01, ge=0, le=2)
    """How long the first reading of a flush waits for others."""
    flushes_in_flight: int = Field(default=2, ge=1, le=16)
    """Flushes that may be published at once."""
    max_queued: int = Field(default=200_000, ge=1)
    """Readings that may wait for their flush; beyond it bodies are answered 503."""
    publish_timeout_seconds: float = Field(default=3.0, gt=0)
    """How long publishing one flush may take."""


@dataclass(slots=True, eq=False)
class _Waiting:
    submission: Submission
    weight: int
    queued_at: float
    durable: "asyncio.Future[list[str]]"

    def fail(self, error: str) -> None:
        if not self.durable.done():
            self.durable.set_exception(StoreUnavailable(error, retry_after_seconds=1))


class GroupCommit:
    """The queue of submissions and the loop that flushes it; `run` must be owned by somebody."""

    def __init__(
        self,
        publisher: Publisher,
        packer: Packer,
        metrics: Metrics,
        settings: CommitSettings | None = None,
    ) -> None:
        """Start empty and open."""
        self._publisher = publisher
        self._packer = packer
        self._metrics = metrics
        self._settings = settings or CommitSettings()
        self._queue: deque[_Waiting] = deque()
        self._queued = 0
        self._work = asyncio.Event()
        self._hurry = asyncio.Event()
        self._slots = asyncio.Semaphore(self._settings.flushes_in_flight)
        self._flushes: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def queued(self) -> int:
        """What waits to be published, in readings."""
        return self._queued

    async def commit(self, submission: Submission, *, deadline: float) -> list[str]:
        """Return the ids of the packs once all are durable, before `deadline` of the loop's clock.

        Raise StoreUnavailable where they are not, or where too much waits already: refusing at
        once keeps the sender's retry useful and our memory bounded.
        """
        weight = submission.weight
        if self._is_closed:
            raise StoreUnavailable("the server is stopping", retry_after_seconds=1)
        if self._queued + weight > self._settings.max_queued:
            raise StoreUnavailable("too many readings wait to be published", retry_after_seconds=2)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(submission, weight, loop.time(), loop.create_future())
        self._queue.append(waiting)
        self._queued += weight
        self._work.set()
        if self._is_full:
            self._hurry.set()
        # One timer, not a timeout scope: this runs once per request.
        timer = loop.call_at(deadline, waiting.fail, "not durable within the deadline")
        try:
            return await waiting.durable
        finally:
            timer.cancel()

    def close(self) -> None:
        """Take nothing more; `run` ends once all that was taken is flushed."""
        self._is_closed = True
        self._work.set()
        self._hurry.set()

    async def run(self) -> None:
        """Flush until closed and empty."""
        try:
            while await self._has_work():
                await self._slots.acquire()
                await self._linger()
                self._start_flush(self._take())
        finally:
            if self._flushes:
                await asyncio.wait(self._flushes)

    @property
    def _is_full(self) -> bool:
        return self._queued >= PACKS_PER_CALL * self._packer.rows_per_pack

    async def _has_work(self) -> bool:
        while not self._queue:
            if self._is_closed:
                return False
            self._work.clear()
            await self._work.wait()
        return True

    async def _linger(self) -> None:
        if not self._is_closed and not self._is_full:
            self._hurry.clear()
            until = self._queue[0].queued_at + self._settings.linger_seconds
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._hurry.wait()

    def _take(self) -> list[_Waiting]:
        """Take what fills the packs of one call; whoever gave up meanwhile is left out.

        It reckons as the packer cuts, so that no request is left over for a pack of its own.
        """
        taken: list[_Waiting] = []
        limit = self._packer.rows_per_pack
        packs, free = 0, 0
        while self._queue:
            waiting = self._queue[0]
            if not waiting.durable.done():
                if waiting.weight > free:
                    begun = math.ceil(waiting.weight / limit)
                    packs, free = packs + begun, begun * limit
                    if taken and (packs > PACKS_PER_CALL or self._can_wait):
                        break
                taken.append(waiting)
                free -= waiting.weight
            self._queue.popleft()
            self._queued -= waiting.weight
        return taken

    @property
    def _can_wait(self) -> bool:
        """Whether what is left would not fill a pack, and may linger on for company."""
        if self._is_closed or self._queued >= self._packer.rows_per_pack:
            return False
        until = self._queue[0].queued_at + self._settings.linger_seconds
        return asyncio.get_running_loop().time() < until

    def _start_flush(self, group: list[_Waiting]) -> None:
        task = asyncio.create_task(self._flush(group), name="flush")
        self._flushes.add(task)
        task.add_done_callback(self._flushed)

    def _flushed(self, task: asyncio.Task[None]) -> None:
        self._flushes.discard(task)
        # A bug in one flush: its requests have been answered, and the next flush goes on.
        if not task.cancelled() and (error := task.exception()):
            log.error("flush.failed", exc_info=error)

    async def _flush(self, group: list[_Waiting]) -> None:
        try:
            packs = self._packer.pack([waiting.submission for waiting in group])
            _settle(group, packs, await self._publish(packs))
        finally:
            for waiting in group:
                waiting.fail("the flush ended early")
            self._slots.release()

    async def _publish(self, packs: Sequence[Pack]) -> Sequence[PublishOutcome]:
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._settings.publish_timeout_seconds):
                outcomes = await self._publisher.publish([pack.body for pack in packs])
        except (Unavailable, TimeoutError) as error:
            reason = str(error) or "the topic did not answer in time"
            log.warning("flush.refused", packs=len(packs), reason=reason)
            outcomes = [PublishOutcome(reason)] * len(packs)
        seconds = asyncio.get_running_loop().time() - started
        self._metrics.observe("flush_seconds", seconds)
        self._metrics.gauge("ingest_queued_readings", self._queued)
        for pack, outcome in zip(packs, outcomes, strict=True):
            label = "durable" if outcome.is_durable else "failed"
            self._metrics.count("packs_published", kind=pack.kind, outcome=label)
            self._metrics.count("pack_bytes", len(pack.body), kind=pack.kind)
            if pack.span.is_recorded:
                _end_span(pack, outcome)
        return outcomes


def _end_span(pack: Pack, outcome: PublishOutcome) -> None:
    pack.span.note(
        {
            "messaging.system": "aws_sns",
            "messaging.destination.name": TOPIC,
            "messaging.message.body.size": len(pack.body),
            "penstock.pack_id": pack.id,
            "penstock.kind": pack.kind,
            "penstock.requests": len(pack.owners),
        }
    )
    if outcome.error is not None:
        pack.span.fail(outcome.error)
    pack.span.end()


def _settle(
    group: Sequence[_Waiting], packs: Sequence[Pack], outcomes: Sequence[PublishOutcome]
) -> None:
    """Answer each request by its own packs alone."""
    pack_ids: list[list[str]] = [[] for _ in group]
    for pack, outcome in zip(packs, outcomes, strict=True):
        for owner in pack.owners:
            group[owner].submission.span.link(pack.span)
            pack_ids[owner].append(pack.id)
            if not outcome.is_durable:
                group[owner].fail(f"a pack was not published: {outcome.error}")
    for waiting, ids in zip(group, pack_ids, strict=True):
        if not waiting.durable.done():
            waiting.durable.set_result(ids)
