"""What belongs to assets, from the context in Aurora; read again only where it has changed."""

from penstock.adapters import aurora, tables
from penstock.adapters.aurora import Pool
from psycopg.rows import DictRow
from sqlalchemy import select

from results_writer.discovered_tags import KnownTags


class ContextReader:
    """Answers the known tags of the context's present version."""

    def __init__(self, pool: Pool) -> None:
        """Keep the pool; nothing is read yet."""
        self._pool = pool
        self._version = -1
        self._known = KnownTags(frozenset(), frozenset(), frozenset())

    async def read(self) -> KnownTags:
        """Read the known tags; raise StoreUnavailable."""
        async with aurora.transaction(self._pool) as connection:
            found = await aurora.execute(connection, select(tables.context_version.c.version))
            row = await found.fetchone()
            version = int(row["version"]) if row else 0
            if version == self._version:
                return self._known
            # The version first: a change in between is seen at the next read, never missed.
            prefixes = await aurora.execute(connection, select(tables.assets.c.prefixes))
            tags = tables.tags.c
            by_hand = await aurora.execute(connection, select(tags.gateway_id, tags.path))
            known = _known(await prefixes.fetchall(), await by_hand.fetchall())
        self._version, self._known = version, known
        return known


def _known(assets: list[DictRow], tags: list[DictRow]) -> KnownTags:
    return KnownTags(
        prefixes=frozenset(prefix for row in assets for prefix in row["prefixes"]),
        paths=frozenset(row["path"] for row in tags if row["gateway_id"] is None),
        paths_of_gateways=frozenset(
            (row["gateway_id"], row["path"]) for row in tags if row["gateway_id"] is not None
        ),
    )
