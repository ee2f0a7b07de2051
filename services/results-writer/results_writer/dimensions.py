"""Names to integer keys: looked up once, created where new, kept in a bounded cache."""

from collections.abc import Callable, Collection, Iterable, KeysView, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from penstock.adapters import tables
from penstock.adapters.aurora import Connection, Pool, execute, transaction
from penstock.channels.predictions import Origin
from sqlalchemy import Column, Table, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql import ClauseElement

Name = tuple[str, ...]
T = TypeVar("T")

_ORIGINS_KEPT = 200_000
_NAMES_PER_STATEMENT = 5_000


class Keys(NamedTuple):
    """The keys that stand for an origin in a row."""

    binding: int
    asset: int
    run: int
    model_version: int
    variant: int


class Dimensions(Generic[T]):
    """What is made of the keys of every origin seen lately.

    New names are committed before the batch that needs them, so keys in the cache are always rows.
    """

    def __init__(self, pool: Pool, make: Callable[[Origin, Keys], T]) -> None:
        """Start with an empty cache."""
        self._pool = pool
        self._make = make
        self._made: dict[Origin, T] = {}

    @property
    def known(self) -> KeysView[Origin]:
        """The origins in the cache."""
        return self._made.keys()

    async def of(self, origins: Iterable[Sequence[Origin]]) -> list[list[T]]:
        """Answer for each of some sequences of origins what was made of their keys, in order."""
        wanted = list(origins)
        try:
            return [list(map(self._made.__getitem__, some)) for some in wanted]
        except KeyError:
            await self._look_up({origin for some in wanted for origin in some})
        return [list(map(self._made.__getitem__, some)) for some in wanted]

    def forget(self) -> None:
        """Drop the cache: the data base may be another one now."""
        self._made.clear()

    async def _look_up(self, wanted: set[Origin]) -> None:
        missing = wanted - self._made.keys()
        async with transaction(self._pool) as connection:
            keys = await _resolve(connection, missing)
        self._make_room(len(missing), keep=wanted)
        self._made.update({origin: self._make(origin, keys[origin]) for origin in missing})

    def _make_room(self, count: int, *, keep: set[Origin]) -> None:
        excess = len(self._made) + count - _ORIGINS_KEPT
        if excess > 0:
            oldest = [origin for origin in self._made if origin not in keep][:excess]
            for origin in oldest:
                del self._made[origin]


async def _resolve(connection: Connection, origins: Collection[Origin]) -> dict[Origin, Keys]:
    async def plain(table: Table, names: set[Name]) -> dict[Name, int]:
        return await _resolve_names(connection, table, sorted(names))

    sites = await plain(tables.dim_site, {(o.site,) for o in origins})
    types = await plain(tables.dim_asset_type, {(o.asset_type,) for o in origins})
    bindings = await plain(tables.dim_binding, {(o.binding,) for o in origins})
    runs = await plain(tables.dim_run, {(o.run,) for o in origins})
    variants = await plain(tables.dim_variant, {(o.variant,) for o in origins})
    versions = await plain(tables.dim_model_version, {(o.model, o.model_version) for o in origins})
    places = {
        o.asset: (sites[o.site,], types[o.asset_type,]) for o in sorted(origins, key=_place_of)
    }
    assets = await _resolve_assets(connection, places)
    return {
        o: Keys(
            binding=bindings[o.binding,],
            asset=assets[o.asset],
            run=runs[o.run,],
            model_version=versions[o.model, o.model_version],
            variant=variants[o.variant,],
        )
        for o in origins
    }


def _place_of(origin: Origin) -> Name:
    return (origin.asset, origin.site, origin.asset_type)


async def _resolve_names(
    connection: Connection, table: Table, names: Sequence[Name]
) -> dict[Name, int]:
    # Looked up before inserting, since an insert that meets a conflict burns a key; and again
    # after, since another writer may have been first.
    columns = [table.c[name] for name in ("name", "model", "version") if name in table.c]
    found: dict[Name, int] = {}
    for start in range(0, len(names), _NAMES_PER_STATEMENT):
        some = list(names[start : start + _NAMES_PER_STATEMENT])
        held = select(table.c.id, *columns).where(tuple_(*columns).in_(some))
        found |= await _keys(connection, held, columns)
        rows = [_row(columns, name) for name in some if name not in found]
        if rows:
            await execute(connection, insert(table).values(rows).on_conflict_do_nothing())
            found |= await _keys(connection, held, columns)
    return found


async def _keys(
    connection: Connection, statement: ClauseElement, columns: Sequence[Column[object]]
) -> dict[Name, int]:
    rows = await (await execute(connection, statement)).fetchall()
    return {tuple(row[column.name] for column in columns): int(row["id"]) for row in rows}


def _row(columns: Sequence[Column[object]], name: Name) -> dict[str, str]:
    return {column.name: part for column, part in zip(columns, name, strict=True)}


async def _resolve_assets(
    connection: Connection, places: Mapping[str, tuple[int, int]]
) -> dict[str, int]:
    # An asset that moved to another site or type keeps its key and tells its newest place.
    asset = tables.dim_asset
    found: dict[str, int] = {}
    names = sorted(places)
    for start in range(0, len(names), _NAMES_PER_STATEMENT):
        some = names[start : start + _NAMES_PER_STATEMENT]
        rows = await execute(connection, select(asset).where(asset.c.name.in_(some)))
        for row in await rows.fetchall():
            if (row["site_id"], row["asset_type_id"]) == places[row["name"]]:
                found[row["name"]] = int(row["id"])
        found |= await _place_assets(connection, {n: places[n] for n in some if n not in found})
    return found


async def _place_assets(
    connection: Connection, places: Mapping[str, tuple[int, int]]
) -> dict[str, int]:
    if not places:
        return {}
    asset = tables.dim_asset
    new = insert(asset).values(
        [
            {"name": name, "site_id": site, "asset_type_id": asset_type}
            for name, (site, asset_type) in places.items()
        ]
    )
    place = {"site_id": new.excluded.site_id, "asset_type_id": new.excluded.asset_type_id}
    upsert = new.on_conflict_do_update(index_elements=[asset.c.name], set_=place)
    rows = await execute(connection, upsert.returning(asset.c.id, asset.c.name))
    return {row["name"]: int(row["id"]) for row in await rows.fetchall()}
