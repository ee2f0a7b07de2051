"""One slice: ask its source, keep every answer as it came, settle.

The slice is the unit of retry. What a source says by Retry-After holds for all fetchers and is no
attempt; what is too large or hangs is asked for in halves; what nothing can heal fails at once.
"""

import random
import time
from dataclasses import dataclass
from typing import assert_never

import structlog
from penstock.channels.slices import CHANNEL, SliceMessage
from penstock.domain.datasets import Slice, SliceState
from penstock.domain.errors import (
    InvalidInput,
    NotFound,
    PenstockError,
    StoreUnavailable,
    Throttled,
    Unavailable,
    VersionConflict,
)
from penstock.domain.ids import SliceId, TagPath
from penstock.domain.jobs import SliceOutcome
from penstock.domain.time import Micros
from penstock.ports import Delivery, Item, KeyValueStore, Publisher, Write
from penstock.resources import SLICES
from penstock.runtime.tracing import current_span
from penstock.source import SourceTimedOut, SourceUnreachable, TruncatedAnswer
from penstock.source_settings import SourceStore

from training_orchestrator.distribute import Distributor
from training_orchestrator.fetch_pages import raw_prefix
from training_orchestrator.fetch_policy import Accept, Fail, Halve, Retry, Wait
from training_orchestrator.fetch_walk import Order, SliceWalker, Split, Unwanted

_RENEW_AFTER = 10
"""Receives of one message after which a waiting slice goes on under a new one: waiting is no
failure, and must not reach the queue's limit of receives."""
_OF_THE_SOURCE = (InvalidInput, NotFound, SourceTimedOut, SourceUnreachable)
"""Trouble of the source or its settings; any other is ours and says nothing about the slice."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Held:
    """What earlier deliveries of the slice left in its item."""

    attempts: int
    waiting_since: Micros | None

    @classmethod
    def of(cls, item: Item | None) -> "_Held":
        attempts, since = (item or {}).get("attempts"), (item or {}).get("waiting_since")
        return cls(
            attempts if isinstance(attempts, int) else 0,
            Micros(since) if isinstance(since, int) else None,
        )


class Fetcher:
    """Handles deliveries of queue `slices`; `queue` takes them back under a new message."""

    def __init__(
        self,
        walker: SliceWalker,
        *,
        distributor: Distributor,
        sources: SourceStore,
        store: KeyValueStore,
        queue: Publisher,
        jitter: random.Random | None = None,
    ) -> None:
        """Wire a fetcher; `store` keeps what a slice's attempts leave for the next one."""
        self._walker = walker
        self._distributor = distributor
        self._sources = sources
        self._store = store
        self._queue = queue
        self._jitter = jitter or random.Random()  # noqa: S311 -- spreads retries, keeps no secret

    async def handle(self, delivery: Delivery) -> None:
        """Fetch a slice that is still wanted, and settle it."""
        message = CHANNEL.decode(delivery.body)
        with structlog.contextvars.bound_contextvars(
            job_id=message.job_id, slice_id=message.slice_id, source=message.source
        ):
            if not await self._is_wanted(message, is_first=delivery.receive_count == 1):
                self._walker.metrics.count("slices", outcome="not_wanted")
                return
            try:
                await self._fetch(message, delivery)
            except Throttled:
                if delivery.receive_count < _RENEW_AFTER:
                    raise
                await self._renew(delivery)

    async def _fetch(self, message: SliceMessage, delivery: Delivery) -> None:
        started = time.monotonic()
        is_first = delivery.receive_count == 1
        held = _Held.of(await self._store.get(SLICES.name, slice_key(message)))
        order = self._order(message, held, is_first=is_first)
        try:
            outcome = await self._outcome(message, order, held)
        except Unwanted:
            self._walker.metrics.count("slices", outcome="not_wanted")
            return
        await self._distributor.settle(
            message.job_id, message.slice_id, outcome, is_redelivery=not is_first
        )
        self._walker.metrics.count("slices", outcome=outcome.state.value.lower())
        current_span().note(
            {
                "penstock.job_id": message.job_id,
                "penstock.slice_id": message.slice_id,
                "penstock.source": message.source,
                "penstock.state": outcome.state.value,
                "penstock.rows": outcome.rows,
                "penstock.bytes": outcome.bytes,
            }
        )
        log.info(
            "slice.settled", state=outcome.state.value, rows=outcome.rows, bytes=outcome.bytes,
            reason=outcome.reason, duration_ms=round((time.monotonic() - started) * 1000),
        )  # fmt: skip

    async def _is_wanted(self, message: SliceMessage, *, is_first: bool) -> bool:
        return await self._distributor.is_wanted(
            message.job_id, message.slice_id, is_redelivery=not is_first
        )

    async def _outcome(self, message: SliceMessage, order: Order, held: _Held) -> SliceOutcome:
        attempts = held.attempts + 1
        try:
            manifest = await self._walker.walk(await self._sources.get(message.source), order)
        except Split as split:
            return SliceOutcome(
                SliceState.SPLIT, attempts=attempts, reason=str(split), children=split.children
            )
        except _OF_THE_SOURCE as trouble:
            return await self._decide(trouble, message, order, held)
        return SliceOutcome(
            SliceState.DONE, rows=manifest.rows, bytes=manifest.bytes, attempts=attempts
        )

    def _order(self, message: SliceMessage, held: _Held, *, is_first: bool) -> Order:
        piece = Slice(
            slice_id=SliceId(message.slice_id),
            since=message.since,
            until=message.until,
            tags=tuple(TagPath(tag) for tag in message.tags),
            page=message.page,
            page_size=message.page_size,
        )

        async def on_first_answer() -> None:
            if held.waiting_since is not None:
                await self._note(message, {"waiting_since": None})

        return Order(
            piece,
            prefix=raw_prefix(message.job_id, message.run),
            may_be_begun=not is_first or held.attempts > 0 or message.page is not None,
            is_wanted=lambda: self._is_wanted(message, is_first=is_first),
            on_first_answer=on_first_answer,
        )

    async def _decide(
        self, trouble: PenstockError, message: SliceMessage, order: Order, held: _Held
    ) -> SliceOutcome:
        now = self._walker.clock.now()
        attempts = held.attempts + 1
        since = held.waiting_since or now
        action = self._walker.policy.judge(
            trouble, order.piece, attempts=attempts, waited=Micros(now - since), now=now
        )
        match action:
            case Wait(seconds):
                await self._walker.limit.hold_back(message.source, seconds)
                await self._note(message, {"waiting_since": since})
                raise Throttled(str(trouble), retry_after_seconds=seconds) from trouble
            case Retry(seconds):
                if isinstance(trouble, TruncatedAnswer) and trouble.restart:
                    await self._walker.raw(order).forget()
                await self._note(message, {"attempts": attempts, "reason": str(trouble)})
                pause = seconds * self._jitter.uniform(0.5, 1.0)
                raise Unavailable(str(trouble), retry_after_seconds=pause) from trouble
            case Halve(children):
                return SliceOutcome(
                    SliceState.SPLIT, attempts=attempts, reason=str(trouble), children=children
                )
            case Fail(reason):
                return SliceOutcome(SliceState.FAILED, attempts=attempts, reason=reason)
            case Accept():
                raise AssertionError("only a doubtful answer is accepted, and none ends a walk")
            case _:
                assert_never(action)

    async def _note(self, message: SliceMessage, attributes: Item) -> None:
        """Leave something for the next delivery of a slice that is still open."""
        require = {"state": SliceState.OPEN.value}
        try:
            await self._store.write(
                Write(SLICES.name, slice_key(message), set=attributes, require=require)
            )
        except VersionConflict:
            log.info("slice.settled_elsewhere")

    async def _renew(self, delivery: Delivery) -> None:
        (outcome,) = await self._queue.publish([delivery.body])
        if not outcome.is_durable:
            raise StoreUnavailable(f"sending the slice again: {outcome.error}")
        log.info("slice.waits_on", receives=delivery.receive_count)


def slice_key(message: SliceMessage) -> dict[str, object]:
    """Key of the slice's item."""
    return {"job_run": f"{message.job_id}#{message.run}", "slice_id": message.slice_id}
