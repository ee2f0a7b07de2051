"""The faults of a proxy in front of PostgreSQL, seen by psycopg."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from penstock_local.faults.proxy import FaultProxy
from penstock_local.faults.rules import Fault

from tests.fixtures.waiting import PATIENCE_SECONDS


@pytest.fixture
async def proxy(aurora_dsn: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(
        target=f"tcp://{urlsplit(aurora_dsn).netloc.rpartition('@')[2]}"
    ) as proxy:
        yield proxy


@pytest.fixture
def dsn(aurora_dsn: str, proxy: FaultProxy) -> str:
    return f"postgresql://postgres@127.0.0.1:{proxy.port}{urlsplit(aurora_dsn).path}"


async def connect(dsn: str) -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(
        dsn, autocommit=True, connect_timeout=round(PATIENCE_SECONDS)
    )


async def count(connection: psycopg.AsyncConnection) -> int:
    row = await (await connection.execute("SELECT count(*) FROM drops")).fetchone()
    assert row is not None
    return int(row[0])


async def test_without_faults_sql_passes(dsn: str) -> None:
    async with await connect(dsn) as connection:
        cursor = await connection.execute("SELECT repeat('x', 300000)")
        assert await cursor.fetchall() == [("x" * 300_000,)]


async def test_delay_slows_every_statement(proxy: FaultProxy, dsn: str) -> None:
    async with await connect(dsn) as connection:
        proxy.set(Fault(kind="delay", seconds=0.2))
        start = time.monotonic()
        await connection.execute("SELECT 1")
        assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize(("when", "rows"), [("before", 0), ("after", 1)])
async def test_drop_loses_the_statement_or_only_its_answer(
    proxy: FaultProxy, dsn: str, aurora_dsn: str, when: str, rows: int
) -> None:
    async with await connect(aurora_dsn) as direct:
        await direct.execute("CREATE TABLE drops (at int)")
        async with await connect(dsn) as connection:
            proxy.set(Fault.model_validate({"kind": "drop", "count": 1, "when": when}))
            with pytest.raises(psycopg.OperationalError):
                await connection.execute("INSERT INTO drops VALUES (1)")
        assert await count(direct) == rows
        async with await connect(dsn) as connection:
            assert await count(connection) == rows


async def test_refuse_ends_connections_and_lets_no_new_ones_in(proxy: FaultProxy, dsn: str) -> None:
    async with await connect(dsn) as connection:
        proxy.set(Fault(kind="refuse"))
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="refused"):
        await connect(dsn)
    proxy.clear()
    async with await connect(dsn) as connection:
        await connection.execute("SELECT 1")


async def test_a_unix_socket_is_reached_over_tcp(tmp_path: Path) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        writer.close()

    path = tmp_path / "s"
    server = await asyncio.start_unix_server(shout, path)
    async with server, FaultProxy(target=f"unix://{path}") as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"hello\n")
        assert await asyncio.wait_for(reader.read(), PATIENCE_SECONDS) == b"HELLO\n"
        writer.close()
        await writer.wait_closed()
