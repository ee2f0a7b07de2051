"""The context in Aurora: assets, tags and bindings, read whole and of one moment."""

import structlog
from pydantic import ValidationError
from sqlalchemy import select, text

from penstock.adapters.aurora import Connection, Pool, execute, transaction
from penstock.adapters.tables import assets, bindings, context_version, tags
from penstock.bodies import BindingBody
from penstock.domain.assets import Asset, Binding, Context, Tag
from penstock.domain.errors import InvalidInput
from penstock.domain.ids import AssetName, GatewayId, TagPath

_PATIENCE_SECONDS = 15.0

log = structlog.get_logger()


class AuroraContext:
    """Reads the context's tables; the console writes them."""

    def __init__(self, pool: Pool) -> None:
        """Keep the pool."""
        self._pool = pool

    async def version(self) -> int:
        """Version of the context now."""
        async with transaction(self._pool, patience_seconds=_PATIENCE_SECONDS) as connection:
            return await _version(connection)

    async def read(self) -> Context:
        """Read all of it in one snapshot of the data base."""
        async with transaction(self._pool, patience_seconds=_PATIENCE_SECONDS) as connection:
            await execute(
                connection, text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            )
            return Context(
                version=await _version(connection),
                assets=await _assets(connection),
                tags=await _tags(connection),
                bindings=await _bindings(connection),
            )


async def _version(connection: Connection) -> int:
    row = await (await execute(connection, select(context_version.c.version))).fetchone()
    return int(row["version"]) if row else 0


async def _assets(connection: Connection) -> tuple[Asset, ...]:
    rows = await (await execute(connection, select(assets))).fetchall()
    return tuple(
        Asset(
            AssetName(row["name"]),
            row["site"],
            row["asset_type"],
            tuple(TagPath(prefix) for prefix in row["prefixes"]),
        )
        for row in rows
    )


async def _tags(connection: Connection) -> tuple[Tag, ...]:
    rows = await (await execute(connection, select(tags))).fetchall()
    return tuple(
        Tag(
            TagPath(row["path"]),
            AssetName(row["asset"]),
            row["name"],
            GatewayId(row["gateway_id"]) if row["gateway_id"] is not None else None,
        )
        for row in rows
    )


async def _bindings(connection: Connection) -> tuple[Binding, ...]:
    rows = await (await execute(connection, select(bindings.c.name, bindings.c.body))).fetchall()
    found = []
    for row in rows:
        try:
            found.append(BindingBody.model_validate(row["body"]).to_domain())
        except (ValidationError, InvalidInput) as error:
            # Written by a newer console: the other bindings must not wait for this one.
            log.warning("binding.unreadable", binding=row["name"], error=str(error))
    return tuple(found)
