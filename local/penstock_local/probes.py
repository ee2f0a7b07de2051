"""Asks a part whether it is ready."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

import psycopg

from penstock_local.part import Finished, HttpReady, Ready, ReadyCheck, TcpReady
from penstock_local.ports import LOOPBACK

_TIMEOUT_SECONDS = 2.0


async def is_ready(ready: Ready) -> bool:
    """Ask once; no answer in time is a no."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            return await _ask(ready)
    except (OSError, EOFError, TimeoutError):
        return False


async def _ask(ready: Ready) -> bool:
    if isinstance(ready, Finished):
        return False  # its end says so, nothing else
    if isinstance(ready, TcpReady):
        _, writer = await asyncio.open_connection(LOOPBACK, ready.port)
        writer.close()
        return True
    if isinstance(ready, HttpReady):
        return await _answers_200(ready.url)
    return await ready()


async def _answers_200(url: str) -> bool:
    # By hand: a client library would cost the supervisor more memory than all the rest of it.
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        path = address.path or "/"
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {address.netloc}\r\n\r\n".encode())
        await writer.drain()
        status_line = await reader.readline()
    finally:
        writer.close()
    return status_line.split(b" ")[1:2] == [b"200"]


def sql_ready(dsn: str) -> ReadyCheck:
    """Ready when the data base of the DSN takes a connection."""

    async def connects() -> bool:
        with suppress(psycopg.Error):
            async with await psycopg.AsyncConnection.connect(dsn, connect_timeout=2):
                return True
        return False

    return connects
