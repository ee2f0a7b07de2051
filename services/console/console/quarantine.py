"""Quarantine: readings that were understood but not trusted, as the archive keeps them."""

from dataclasses import asdict

import msgspec
from penstock.domain.errors import InvalidInput, NotFound
from penstock.domain.readings import Reject
from penstock.domain.time import to_iso
from penstock.ports import ObjectStore

_PREFIX = "quarantine/"


class Quarantine:
    """Reads the JSON lines below `quarantine/dt=YYYY-MM-DD/hour=HH/`."""

    def __init__(self, objects: ObjectStore) -> None:
        """Keep the archive."""
        self._objects = objects

    async def of_day(
        self, day: str, *, gateway_id: str | None, after: str, limit: int
    ) -> tuple[list[dict[str, object]], str | None]:
        """Read items of a UTC day in order of arrival, and the key to go on after."""
        items: list[dict[str, object]] = []
        async for stored in self._objects.list(f"{_PREFIX}dt={day}/"):
            if stored.key <= after:
                continue
            for position, item in enumerate(await self._lines(stored.key)):
                if gateway_id is None or item.gateway_id == gateway_id:
                    items.append(_shown(stored.key, position, item))
            if len(items) >= limit:
                return items, stored.key
        return items, None

    async def get(self, item_id: str) -> dict[str, object]:
        """Read one item by its id; raise NotFound or InvalidInput."""
        key, _, position = item_id.rpartition("~")
        if not position.isdigit() or ".." in key:
            raise InvalidInput("an id of quarantine reads dt=...~n; take it from the list")
        path = _PREFIX + key.replace(":", "/")
        lines = await self._lines(path)
        if int(position) >= len(lines):
            raise NotFound(f"there is no item {item_id} in quarantine")
        return _shown(path, int(position), lines[int(position)])

    async def _lines(self, key: str) -> list[Reject]:
        body = await self._objects.get(key)
        return [msgspec.json.decode(line, type=Reject) for line in body.splitlines() if line]


def _shown(key: str, position: int, item: Reject) -> dict[str, object]:
    # An id is one path segment of a URL, so it has no slash.
    item_id = f"{key.removeprefix(_PREFIX).replace('/', ':')}~{position}"
    return {"id": item_id, **asdict(item), "accepted_at": to_iso(item.accepted_at)}
