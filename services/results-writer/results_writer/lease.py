"""A lease: what only one process may do at a time, for as long as it renews it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from penstock.domain.errors import PenstockError, Unavailable, VersionConflict
from penstock.domain.time import SECOND, Micros
from penstock.ports import Clock, KeyValueStore, Write
from penstock.resources import LEASES


class Lease:
    """One row of the table `leases`, held by at most one holder whose end lies ahead."""

    def __init__(
        self, store: KeyValueStore, clock: Clock, *, name: str, holder: str, seconds: float = 15.0
    ) -> None:
        """Keep what the row says; nothing is held yet."""
        self._store = store
        self._clock = clock
        self._key = {"name": name}
        self._holder = holder
        self._seconds = seconds

    @contextlib.asynccontextmanager
    async def held(self, *, patience_seconds: float) -> AsyncIterator[None]:
        """Hold the lease, renewed until the block ends; raise Unavailable where others keep it.

        A holder that stalls past its end loses it: what runs under a lease must stay harmless
        when two do it, and the lease only keeps them out of each other's way.
        """
        await self._acquire(patience_seconds)
        renewing = asyncio.create_task(self._renew(), name=f"lease.{self._key['name']}")
        try:
            yield
        finally:
            renewing.cancel()
            with contextlib.suppress(PenstockError):
                await self._release()

    async def _acquire(self, patience_seconds: float) -> None:
        deadline = self._clock.now() + patience_seconds * SECOND
        while not await self._try():
            if self._clock.now() >= deadline:
                raise Unavailable(f"the lease {self._key['name']} is held by another process")
            await asyncio.sleep(min(1.0, patience_seconds / 10))

    async def _try(self) -> bool:
        now = self._clock.now()
        free = Write(LEASES.name, self._key, put=self._row(), require_at_most={"until": now})
        ours = Write(LEASES.name, self._key, put=self._row(), require={"holder": self._holder})
        for write in (free, ours):
            with contextlib.suppress(VersionConflict):
                await self._store.write(write)
                return True
        return False

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / 3)
            with contextlib.suppress(PenstockError):
                ours = {"holder": self._holder}
                await self._store.write(
                    Write(LEASES.name, self._key, put=self._row(), require=ours)
                )

    async def _release(self) -> None:
        ours = {"holder": self._holder}
        await self._store.write(Write(LEASES.name, self._key, delete=True, require=ours))

    def _row(self) -> dict[str, object]:
        until = Micros(round(self._clock.now() + self._seconds * SECOND))
        return {"holder": self._holder, "until": until, "expires_at": until // SECOND + 60}
