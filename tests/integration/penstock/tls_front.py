"""TLS before a PostgreSQL that has none: the embedded one is built without OpenSSL.

It speaks the part of PostgreSQL's protocol that comes before TLS, and hands on what is inside.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@dataclass
class TlsFront:
    """Ends TLS; counts those who asked for it, and those who then said anything inside."""

    context: ssl.SSLContext
    server: str
    port: int = 0
    asked: int = 0
    entered: int = 0

    def dsn(self, host: str) -> str:
        """The server by a name that is resolved to this machine."""
        known = urlsplit(self.server)
        place = f"host={host} hostaddr=127.0.0.1 port={self.port}"
        return f"{place} user={known.username} dbname={known.path.lstrip('/')}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        # Who does not trust us hangs up during the handshake, in one of several ways.
        with suppress(OSError, asyncio.IncompleteReadError):
            if await reader.readexactly(len(_SSL_REQUEST)) != _SSL_REQUEST:
                return
            self.asked += 1
            writer.write(b"S")
            await writer.start_tls(self.context)
            first = await reader.readexactly(1)
            self.entered += 1
            await self._hand_on(first, reader, writer)
        writer.close()

    async def _hand_on(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        place = urlsplit(self.server)
        behind, to_behind = await asyncio.open_connection(place.hostname, place.port)
        to_behind.write(first)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, to_behind))
                both.create_task(_copy(behind, writer))
        finally:
            to_behind.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while some := await source.read(65_536):
        target.write(some)
        await target.drain()
    target.close()


@asynccontextmanager
async def tls_front(context: ssl.SSLContext, server: str) -> AsyncIterator[TlsFront]:
    """A front on a free port of this machine before the server of a DSN."""
    front = TlsFront(context, server)
    listening = await asyncio.start_server(front.serve, "127.0.0.1", 0)
    async with listening:
        front.port = listening.sockets[0].getsockname()[1]
        yield front
