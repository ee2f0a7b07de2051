"""Tags that were seen and belong to no asset: listed for people, beside the archive's work."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from penstock.adapters.archive import OpenedPack
from penstock.domain.errors import PenstockError, VersionConflict
from penstock.domain.readings import Value
from penstock.domain.time import HOUR, SECOND, Micros
from penstock.ports import Clock, KeyValueStore, Write
from penstock.resources import DISCOVERED_TAGS
from penstock.runtime.lifecycle import Stop

log = structlog.get_logger()

TagKey = tuple[str, str]

_CONTEXT_AGE = Micros(15 * SECOND)
_TOLD_AGAIN_AFTER = HOUR
_MOST_PENDING = 10_000
_MOST_REMEMBERED = 200_000


@dataclass(frozen=True, slots=True)
class KnownTags:
    """What belongs to assets: prefixes, and tags given by hand (for one gateway or for all)."""

    prefixes: frozenset[str]
    paths: frozenset[str]
    paths_of_gateways: frozenset[TagKey]

    def has(self, gateway_id: str, path: str) -> bool:
        """Whether the tag belongs to an asset."""
        if path in self.paths or (gateway_id, path) in self.paths_of_gateways:
            return True
        end = path.rfind("/")
        while end > 0:
            if path[:end] in self.prefixes:
                return True
            end = path.rfind("/", 0, end)
        return False


@dataclass(frozen=True, slots=True)
class _Seen:
    at: Micros
    example: Value


class DiscoveredTags:
    """Gathers what the archive saw, and lists in its own time what belongs to no asset.

    Best effort: what does not fit, or cannot be told from the context now, is told when it is seen
    again.
    """

    def __init__(
        self, store: KeyValueStore, clock: Clock, *, known_tags: Callable[[], Awaitable[KnownTags]]
    ) -> None:
        """Wire it; `run` does the listing."""
        self._store = store
        self._clock = clock
        self._known_tags = known_tags
        self._context: tuple[Micros, KnownTags] | None = None
        self._pending: dict[TagKey, _Seen] = {}
        self._told: dict[TagKey, Micros] = {}
        self._has_pending = asyncio.Event()

    def offer(self, packs: Sequence[OpenedPack]) -> None:
        """Take note of the packs' tags; never waits."""
        now = self._clock.now()
        for pack in packs:
            for gateway_id, path, value in pack.tags:
                key = (gateway_id, path)
                if now - self._told.get(key, 0) < _TOLD_AGAIN_AFTER:
                    continue
                if len(self._pending) >= _MOST_PENDING:
                    return
                self._pending[key] = _Seen(now, value)
        if self._pending:
            self._has_pending.set()

    async def run(self, stop: Stop) -> None:
        """List what is offered until stop."""
        while not stop.is_set:
            await _first_of(self._has_pending.wait(), stop.wait())
            try:
                await self.list_pending()
            except PenstockError as error:
                log.warning("tags.not_listed", error=str(error))
                self._pending.clear()
                await stop.wait_for(5.0)

    async def list_pending(self) -> None:
        """Write what is pending and belongs to no asset; raise Unavailable."""
        self._has_pending.clear()
        if not self._pending:
            return
        known = await self._known()
        while self._pending:
            key, seen = self._pending.popitem()
            if not known.has(*key):
                await self._write(key, seen)
            self._remember(key, seen.at)

    async def _known(self) -> KnownTags:
        now = self._clock.now()
        if self._context is None or now - self._context[0] > _CONTEXT_AGE:
            self._context = (now, await self._known_tags())
        return self._context[1]

    def _remember(self, key: TagKey, at: Micros) -> None:
        if len(self._told) >= _MOST_REMEMBERED:
            del self._told[next(iter(self._told))]
        self._told[key] = at

    async def _write(self, key: TagKey, seen: _Seen) -> None:
        item = {"gateway_id": key[0], "tag": key[1]}
        told = {"last_seen": seen.at, "example": _example(seen.example)}
        first = Write(
            DISCOVERED_TAGS.name, item, put={**item, **told, "first_seen": seen.at}, absent=True
        )
        try:
            await self._store.write(first)
        except VersionConflict:
            await self._store.write(Write(DISCOVERED_TAGS.name, item, set=told))


def _example(value: Value) -> str:
    return "" if value is None else str(value)[:200]


async def _first_of(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
