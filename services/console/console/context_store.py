"""Asset types, assets, tags and bindings in Aurora: what workers cache as their context."""

from collections.abc import Sequence
from typing import Any

from penstock.adapters.aurora import Connection, Pool, execute, transaction
from penstock.adapters.tables import asset_types, assets, bindings, sites, tags
from penstock.bodies import BindingBody
from penstock.domain.errors import Conflict, NotFound, UnknownAsset
from penstock.domain.ids import digest_id
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from console.bodies import AssetBody, TagBody

Row = dict[str, Any]


class ContextStore:
    """The context tables; each call is one transaction."""

    def __init__(self, pool: Pool) -> None:
        """Keep the pool."""
        self._pool = pool

    async def put_asset_type(self, name: str) -> None:
        """Make an asset type known."""
        async with transaction(self._pool) as connection:
            await execute(
                connection, insert(asset_types).values(name=name).on_conflict_do_nothing()
            )

    async def asset_types(self) -> list[Row]:
        """Read all asset types."""
        return await self._rows(select(asset_types).order_by(asset_types.c.name))

    async def delete_asset_type(self, name: str) -> None:
        """Remove an asset type; raise Conflict while an asset is of it."""
        async with transaction(self._pool) as connection:
            # Locked first: an asset that is being made of it waits, and then finds none.
            mine = select(asset_types).where(asset_types.c.name == name).with_for_update()
            await execute(connection, mine)
            of_it = select(assets.c.name).where(assets.c.asset_type == name).limit(1)
            asset = await (await execute(connection, of_it)).fetchone()
            if asset is not None:
                raise Conflict(f"asset {asset['name']} is of type {name}: remove it first")
            await execute(connection, delete(asset_types).where(asset_types.c.name == name))

    async def put_asset(self, asset: AssetBody) -> None:
        """Create or replace an asset; its site and type become known with it."""
        async with transaction(self._pool) as connection:
            for table, name in ((sites, asset.site), (asset_types, asset.asset_type)):
                await execute(connection, insert(table).values(name=name).on_conflict_do_nothing())
            row = asset.model_dump() | {"prefixes": list(asset.prefixes)}
            await execute(
                connection,
                insert(assets).values(row).on_conflict_do_update(index_elements=["name"], set_=row),
            )

    async def assets(self, *, site: str | None = None, asset_type: str | None = None) -> list[Row]:
        """Read assets."""
        query = select(assets).order_by(assets.c.name)
        if site is not None:
            query = query.where(assets.c.site == site)
        if asset_type is not None:
            query = query.where(assets.c.asset_type == asset_type)
        return await self._rows(query)

    async def asset(self, name: str) -> Row:
        """Read one asset; raise UnknownAsset."""
        rows = await self._rows(select(assets).where(assets.c.name == name))
        if not rows:
            raise UnknownAsset(f"there is no asset {name}; PUT /v1/assets/{name} makes one")
        return rows[0]

    async def delete_asset(self, name: str) -> None:
        """Remove an asset and its explicit tags; what it predicted stays."""
        async with transaction(self._pool) as connection:
            await execute(connection, delete(assets).where(assets.c.name == name))

    async def put_tags(self, given: Sequence[TagBody]) -> None:
        """Give tags to assets by hand, all or none; raise UnknownAsset."""
        async with transaction(self._pool) as connection:
            await self._check_assets(connection, {tag.asset for tag in given})
            for tag in given:
                row = tag.model_dump()
                statement = insert(tags).values(row)
                await execute(
                    connection,
                    statement.on_conflict_do_update(
                        index_elements=["gateway_id", "path"],
                        set_={"asset": tag.asset, "name": tag.name},
                    ),
                )

    async def tags(self, *, asset: str | None = None) -> list[Row]:
        """Read the tags that were given by hand."""
        query = select(tags.c.gateway_id, tags.c.path, tags.c.asset, tags.c.name)
        if asset is not None:
            query = query.where(tags.c.asset == asset)
        return await self._rows(query.order_by(tags.c.path))

    async def put_binding(self, body: BindingBody, *, if_match: str | None) -> Row:
        """Create or replace a binding; raise Conflict where it is not the one that was read."""
        document = body.model_dump(mode="json", by_alias=True)
        row = {"name": body.name, "body": document, "etag": etag_of(body)}
        async with transaction(self._pool) as connection:
            held = await self._binding(connection, body.name, for_update=True)
            if if_match is not None and if_match != (held["etag"] if held else ""):
                raise Conflict(f"binding {body.name} was changed meanwhile: read it again")
            statement = insert(bindings).values(row)
            await execute(
                connection, statement.on_conflict_do_update(index_elements=["name"], set_=row)
            )
        return row

    async def bindings(self) -> list[Row]:
        """Read all bindings."""
        return await self._rows(select(bindings).order_by(bindings.c.name))

    async def binding(self, name: str) -> Row:
        """Read one binding; raise NotFound."""
        async with transaction(self._pool) as connection:
            row = await self._binding(connection, name)
        if row is None:
            raise NotFound(f"there is no binding {name}; PUT /v1/bindings/{name} makes one")
        return row

    async def delete_binding(self, name: str) -> None:
        """Remove a binding; what it predicted stays."""
        async with transaction(self._pool) as connection:
            await execute(connection, delete(bindings).where(bindings.c.name == name))

    async def _binding(
        self, connection: Connection, name: str, *, for_update: bool = False
    ) -> Row | None:
        query = select(bindings).where(bindings.c.name == name)
        cursor = await execute(connection, query.with_for_update() if for_update else query)
        return await cursor.fetchone()

    async def _check_assets(self, connection: Connection, names: set[str]) -> None:
        cursor = await execute(connection, select(assets.c.name).where(assets.c.name.in_(names)))
        unknown = sorted(names - {row["name"] for row in await cursor.fetchall()})
        if unknown:
            raise UnknownAsset(f"there is no asset {', '.join(unknown)}")

    async def _rows(self, query: Any) -> list[Row]:
        async with transaction(self._pool) as connection:
            return await (await execute(connection, query)).fetchall()


def etag_of(body: BindingBody) -> str:
    """Version of a binding's body: equal bodies have equal tags."""
    return digest_id(body.model_dump_json(by_alias=True))
