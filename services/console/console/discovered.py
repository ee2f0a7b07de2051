"""Tags that were seen and belong to no asset, from their table; results-writer lists them."""

from penstock.ports import KeyValueStore, Write
from penstock.resources import DISCOVERED_TAGS


async def forget_discovered(store: KeyValueStore, gateway_id: str) -> None:
    """Remove what is listed of a gateway that is no more."""
    keys = [
        {"gateway_id": row["gateway_id"], "tag": row["tag"]}
        async for row in store.query(DISCOVERED_TAGS.name, {"gateway_id": gateway_id})
    ]
    for key in keys:
        await store.write(Write(DISCOVERED_TAGS.name, key, delete=True))
