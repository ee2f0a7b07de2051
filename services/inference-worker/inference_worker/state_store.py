"""Frame states in their table: written on condition of the version that was read."""

from collections import OrderedDict

from penstock.domain.errors import VersionConflict
from penstock.domain.ids import AssetName
from penstock.ports import Item, KeyValueStore, Write
from penstock.resources import STATE

from inference_worker.state import AssetState, decode_state, encode_within

_PROBE = "probe"


class StateStore:
    """States of one lane, with the last ones written kept at hand.

    A cached state may be behind what another worker wrote. That does no harm: a write on its
    version is refused, and frames told without a write carry its version, so newer ones win.
    """

    def __init__(
        self, store: KeyValueStore, *, lane: str = "live", cached_states: int = 5_000
    ) -> None:
        """Keep the table's store."""
        self._store = store
        self._lane = lane
        self._cached_states = cached_states
        self._cache: OrderedDict[AssetName, AssetState] = OrderedDict()

    async def read(self, asset: AssetName, *, fresh: bool = False) -> AssetState:
        """The state; a fresh one comes from the table whatever is cached."""
        cached = None if fresh else self._cache.get(asset)
        if cached is not None:
            self._cache.move_to_end(asset)
            return cached
        item = await self._store.get(STATE.name, self._key(asset))
        state = _state_of(item) if item is not None else AssetState()
        self._keep(asset, state)
        return state

    async def write(self, asset: AssetName, before: AssetState, after: AssetState) -> None:
        """Write the state after; raise VersionConflict where `before` is not the newest."""
        kept, body = encode_within(after)
        is_first = before.version == 0
        try:
            await self._store.write(
                Write(
                    STATE.name,
                    self._key(asset),
                    put={"version": after.version, "body": body},
                    absent=is_first,
                    require={} if is_first else {"version": before.version},
                )
            )
        except VersionConflict:
            self._cache.pop(asset, None)
            raise
        self._keep(asset, kept)

    async def ping(self) -> None:
        """Prove that the table answers; raise Unavailable."""
        await self._store.get(STATE.name, {"key": _PROBE})

    def _keep(self, asset: AssetName, state: AssetState) -> None:
        self._cache[asset] = state
        self._cache.move_to_end(asset)
        if len(self._cache) > self._cached_states:
            self._cache.popitem(last=False)

    def _key(self, asset: AssetName) -> Item:
        return {"key": f"{self._lane}#{asset}"}


def _state_of(item: Item) -> AssetState:
    version, body = item["version"], item["body"]
    if not isinstance(version, int) or not isinstance(body, bytes):
        raise TypeError(f"state {item.get('key')} holds no version or no body")
    return decode_state(body, version)
