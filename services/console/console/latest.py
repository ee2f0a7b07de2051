"""The newest live prediction of each asset and binding, from its table."""

from typing import Any

from penstock.domain.time import Micros, to_iso
from penstock.ports import KeyValueStore, Write
from penstock.resources import LATEST

_TIMES = frozenset({"event_time", "received_at", "predicted_at", "stored_at"})


async def read_latest(
    store: KeyValueStore, *, asset: str | None, binding: str | None
) -> list[dict[str, Any]]:
    """Read the items of one asset, or of all; times as ISO."""
    if asset is not None:
        rows = store.query(LATEST.name, {"asset": asset})
    else:
        rows = store.scan(LATEST.name)
    found = [_shown(row) async for row in rows if binding is None or row["binding"] == binding]
    return sorted(found, key=lambda item: (str(item["asset"]), str(item["binding"])))


async def forget_latest(store: KeyValueStore, *, asset: str) -> None:
    """Remove the items of an asset that is no more."""
    keys = [
        {"asset": row["asset"], "binding": row["binding"]}
        async for row in store.query(LATEST.name, {"asset": asset})
    ]
    for key in keys:
        await store.write(Write(LATEST.name, key, delete=True))


def _shown(row: dict[str, object]) -> dict[str, Any]:
    return {
        key: to_iso(Micros(value)) if key in _TIMES and isinstance(value, int) else value
        for key, value in row.items()
        if not isinstance(value, bytes)
    }
