"""One limit per source for all fetchers: a DynamoDB item whose blocks each process leases."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from penstock.domain.errors import StoreUnavailable, Throttled, Unavailable, VersionConflict
from penstock.domain.time import DAY, SECOND, Micros
from penstock.ports import Clock, KeyValueStore, Write
from penstock.resources import LEASES
from penstock.source_settings import SourceBody

from training_orchestrator.fetch_share import (
    BLOCK,
    Grant,
    Places,
    Rate,
    Shares,
    Wait,
    hold_back,
    lease,
    release,
)

T = TypeVar("T")

_TRIES = 10
_MARGIN = Micros(10 * SECOND)
"""How much longer than its timeout a request may hold its place: clocks differ a little."""

log = structlog.get_logger()


_NO_PLACES = Places(0, Micros(0))


@dataclass(slots=True)
class _Local:
    """What this process holds of a source's rate."""

    places: Places = _NO_PLACES
    starts: deque[Micros] = field(default_factory=deque)
    under_way: int = 0
    waiting: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    leasing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def take_start(self, now: Micros) -> Micros | None:
        """Start of the next request, where a place is free; starts that passed unused are gone."""
        while self.starts and self.starts[0] < now - BLOCK:
            self.starts.popleft()
        if self.places.until <= now or self.under_way >= self.places.count or not self.starts:
            return None
        self.under_way += 1
        return self.starts.popleft()

    def finish(self) -> None:
        """Free a place."""
        self.under_way -= 1
        self.changed.set()


class SharedLimit:
    """Turns to ask a source; `holder` names this process among all."""

    def __init__(
        self, store: KeyValueStore, clock: Clock, holder: str, *, patience_seconds: float = 20.0
    ) -> None:
        """Keep the table's store; a turn further away than the patience is not waited for."""
        self._store = store
        self._clock = clock
        self._holder = holder
        self._patience = Micros(round(patience_seconds * SECOND))
        self._jitter = random.Random()  # noqa: S311 -- spreads retries, keeps no secret
        self._local: dict[str, _Local] = {}

    @asynccontextmanager
    async def turn(self, source: SourceBody) -> AsyncIterator[None]:
        """Wait for a turn and hold it; raise Throttled where it is too far away to wait for."""
        rate = rate_of(source)
        local = self._local.setdefault(source.name, _Local())
        local.waiting += 1
        try:
            start = await self._next_start(source.name, rate, local)
        finally:
            local.waiting -= 1
        try:
            await self._sleep_until(start)
            yield
        finally:
            local.finish()
            if local.waiting == 0 and local.under_way == 0:
                await self._give_back(source.name, local)

    async def hold_back(self, source: str, seconds: float) -> None:
        """Let no fetcher ask a source for that long: it said so."""
        until = Micros(self._clock.now() + round(seconds * SECOND))
        if source in self._local:
            self._local[source].starts.clear()
        await self._change(source, lambda shares: (hold_back(shares, until), None))

    async def _next_start(self, name: str, rate: Rate, local: _Local) -> Micros:
        deadline = Micros(self._clock.now() + self._patience)
        while True:
            now = self._clock.now()
            start = local.take_start(now)
            if start is not None:
                return start
            until = await self._lease_more(name, rate, local)
            if until is None:
                continue
            if until > deadline:
                seconds = (until - now) / SECOND
                raise Throttled(
                    f"source {name} bears no more now", retry_after_seconds=max(0.5, seconds)
                )
            await self._wait(local, until)

    async def _lease_more(self, name: str, rate: Rate, local: _Local) -> Micros | None:
        """Lease a block; answer until when to wait where there was none."""
        async with local.leasing:  # one asks for all that wait here
            now = self._clock.now()
            if local.starts and local.under_way < local.places.count and local.places.until > now:
                return None
            if local.starts and local.under_way >= min(local.places.count, rate.concurrency):
                return Micros(now + BLOCK)  # a place will come free here, and wakes us
            wanted = local.under_way + local.waiting
            found = await self._change(name, lambda shares: self._lease(shares, rate, wanted))
            if isinstance(found, Grant):
                local.places = found.places
                local.starts.extend(found.starts)
                local.changed.set()
                return None
            return found.until if found else Micros(now + BLOCK)

    def _lease(self, shares: Shares, rate: Rate, wanted: int) -> tuple[Shares | None, Grant | Wait]:
        found = lease(shares, self._holder, rate, wanted=wanted, now=self._clock.now())
        return (None, found) if isinstance(found, Wait) else found

    async def _give_back(self, name: str, local: _Local) -> None:
        local.places = _NO_PLACES
        local.starts.clear()
        try:
            now = self._clock.now()
            await self._change(name, lambda shares: (release(shares, self._holder, now), None))
        except Unavailable as error:
            # The places end by themselves; the slice that was fetched is not to fail for them.
            log.warning("limit.release_failed", source=name, error=str(error))

    async def _change(
        self, name: str, change: Callable[[Shares], tuple[Shares | None, T]]
    ) -> T | None:
        """Read, decide, write on condition of the version; the loser of a race reads again."""
        key = {"name": f"source:{name}"}
        for attempt in range(_TRIES):
            item = await self._store.get(LEASES.name, key)
            shares, answer = change(_shares_of(item))
            if shares is None:
                return answer
            version = item["version"] if item else None
            put = {**key, **_item_of(shares, self._clock.now()), "version": _number(version) + 1}
            try:
                await self._store.write(
                    Write(LEASES.name, key, put=put, require={"version": version})
                )
            except VersionConflict:
                await asyncio.sleep(self._jitter.uniform(0, 0.01 * 2 ** min(attempt, 5)))
            else:
                return answer
        raise StoreUnavailable(f"the limit of source {name} is written by too many at once")

    async def _wait(self, local: _Local, until: Micros) -> None:
        local.changed.clear()
        seconds = max(0.0, (until - self._clock.now()) / SECOND)
        try:
            await asyncio.wait_for(local.changed.wait(), seconds + self._jitter.uniform(0, 0.05))
        except TimeoutError:
            return

    async def _sleep_until(self, start: Micros) -> None:
        await asyncio.sleep(max(0.0, (start - self._clock.now()) / SECOND))


def rate_of(source: SourceBody) -> Rate:
    """What a source bears, and how long one request to it can take."""
    longest = Micros(round(source.timeout_s * SECOND) + _MARGIN)
    return Rate(source.rate.rps, source.rate.concurrency, longest)


def _shares_of(item: dict[str, object] | None) -> Shares:
    if item is None:
        return Shares()
    holders = item.get("holders")
    return Shares(
        next_at=Micros(_number(item.get("next_at"))),
        not_before=Micros(_number(item.get("not_before"))),
        holders={
            str(name): Places(_number(count), Micros(_number(until)))
            for name, (count, until) in (holders if isinstance(holders, dict) else {}).items()
        },
    )


def _item_of(shares: Shares, now: Micros) -> dict[str, object]:
    return {
        "next_at": shares.next_at,
        "not_before": shares.not_before,
        "holders": {name: [p.count, p.until] for name, p in shares.holders.items()},
        "expires_at": (max(now, shares.not_before) + DAY) // SECOND,
    }


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
