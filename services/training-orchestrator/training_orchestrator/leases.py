"""Leases: what only one may do at a time, with a holder and an end, in the table `leases`."""

from dataclasses import dataclass

from penstock.domain.errors import Conflict, VersionConflict
from penstock.domain.time import SECOND
from penstock.ports import Clock, Item, KeyValueStore, Write
from penstock.resources import LEASES


class LeaseHeld(Conflict):
    """Somebody else holds the lease."""

    def __init__(self, name: str, holder: str) -> None:
        """Name the holder, so that people know whom to ask."""
        super().__init__(f"{name} is being changed by {holder}; try again when that is done")
        self.holder = holder


@dataclass(frozen=True, slots=True)
class Leases:
    """Leases of the deployment."""

    store: KeyValueStore
    clock: Clock

    async def acquire(self, name: str, holder: str, *, seconds: int) -> Item:
        """Hold a lease until `seconds` from now, or hold it longer; raise LeaseHeld.

        Answers what the holder noted on it. A lease whose end has passed belongs to nobody: its
        holder must be done long before.
        """
        now = self.clock.now() // SECOND
        key = {"name": name}
        held = await self.store.get(LEASES.name, key)
        put = {**key, "holder": holder, "expires_at": now + seconds}
        if held is None:
            write = Write(LEASES.name, key, put=put, absent=True)
        else:
            is_mine = held["holder"] == holder
            if not is_mine and int(str(held["expires_at"])) > now:
                raise LeaseHeld(name, str(held["holder"]))
            put = {**held, **put} if is_mine else put
            require = {"holder": held["holder"], "expires_at": held["expires_at"]}
            write = Write(LEASES.name, key, put=put, require=require)
        try:
            return await self.store.write(write)
        except VersionConflict as error:
            raise LeaseHeld(name, "somebody who was quicker") from error

    async def note(self, name: str, holder: str, **notes: str) -> None:
        """Write on a lease what its holder must know should it die; raise VersionConflict."""
        require = {"holder": holder}
        await self.store.write(Write(LEASES.name, {"name": name}, set=notes, require=require))

    async def release(self, name: str, holder: str) -> None:
        """Let go of a lease; one that somebody else holds by now stays theirs."""
        try:
            key = {"name": name}
            await self.store.write(Write(LEASES.name, key, delete=True, require={"holder": holder}))
        except VersionConflict:
            return
