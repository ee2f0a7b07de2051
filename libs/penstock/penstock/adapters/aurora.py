"""Aurora over psycopg 3: one pool per process, transactions with a deadline, errors of ours."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self, TypeAlias

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import JsonbDumper
from psycopg.types.string import BytesBinaryDumper
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql import ClauseElement

from penstock.domain.errors import StoreUnavailable

Connection: TypeAlias = AsyncConnection[DictRow]

CONNECT_SECONDS = 5
"""How long one attempt to connect, and the wait for a free connection, may take."""
PATIENCE_SECONDS = 30.0
"""How long a whole transaction may take: half of the shortest visibility."""

_DEAD_PEER = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]  # not yet typed upstream


class Pool(AsyncConnectionPool[Connection]):
    """A pool that knows why it has no connection: waiting for one tells only how long it took."""

    why_not: str = ""


class _Connection(AsyncConnection[DictRow]):
    """Tells `on_failure` why it cannot be made; the pool would tell nobody but the log."""

    @classmethod
    async def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """Connect as libpq does."""
        on_failure: Callable[[str], None] = kwargs.pop("on_failure")
        try:
            return await super().connect(conninfo, **kwargs)
        except psycopg.OperationalError as error:
            on_failure(str(error))
            raise


@asynccontextmanager
async def open_pool(
    dsn: str, size: int = 4, *, password: Callable[[], Awaitable[str]] | None = None
) -> AsyncIterator[Pool]:
    """Own a pool. It opens whether Aurora answers or not: readiness tells, and `ping` probes.

    `password` is asked for anew with each connection, for passwords that do not last.
    """

    async def arguments() -> dict[str, Any]:
        secret = {} if password is None else {"password": await password()}
        return {**_DEAD_PEER, "row_factory": dict_row, "on_failure": failed, **secret}

    def failed(reason: str) -> None:
        pool.why_not = reason

    async def configure(connection: Connection) -> None:
        pool.why_not = ""
        _configure(connection)

    pool = Pool(
        dsn,
        connection_class=_Connection,
        kwargs=arguments,
        configure=configure,
        # A round trip per transaction: what died in the pool fails nobody's request or batch.
        check=AsyncConnectionPool.check_connection,
        min_size=1,
        max_size=size,
        timeout=CONNECT_SECONDS,
        max_lifetime=1800,  # after a failover names resolve anew within half an hour at the latest
        open=False,
    )
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close(timeout=CONNECT_SECONDS)


def _configure(connection: Connection) -> None:
    connection.adapters.register_dumper(dict, JsonbDumper)
    # The last one for bytea is taken for COPY; by default that is a slow one, for DB-API's sake.
    connection.adapters.register_dumper(bytes, BytesBinaryDumper)


@asynccontextmanager
async def transaction(
    pool: Pool, *, patience_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[Connection]:
    """Commit at the end, roll back on any exception.

    Raise StoreUnavailable where Aurora does not answer, answers too late, or only reads.
    After a failover the old writer lives on as a reader: connections to it pass every liveness
    check and refuse every write, so the first refusal drops all of them.
    """
    try:
        async with asyncio.timeout(patience_seconds), pool.connection() as connection:
            yield connection
    except psycopg.errors.ReadOnlySqlTransaction as error:
        await pool.drain()
        raise StoreUnavailable(f"aurora is read-only here, connections dropped: {error}") from error
    except PoolTimeout as error:
        raise StoreUnavailable(f"aurora: {pool.why_not or error}") from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise StoreUnavailable(f"aurora: {error}") from error
    except TimeoutError as error:
        raise StoreUnavailable(f"aurora took longer than {patience_seconds:g} s") from error


async def execute(connection: Connection, statement: ClauseElement) -> AsyncCursor[DictRow]:
    """Run a SQLAlchemy Core statement; its rows are dictionaries."""
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return await connection.execute(str(compiled).encode(), compiled.params)


async def ping(pool: Pool) -> None:
    """Prove that Aurora takes writes now; raise StoreUnavailable."""
    async with transaction(pool, patience_seconds=2 * CONNECT_SECONDS) as connection:
        row = await (await connection.execute("SHOW transaction_read_only")).fetchone()
        if row and row["transaction_read_only"] == "on":
            raise psycopg.errors.ReadOnlySqlTransaction("the session is read-only")
