"""A proxy that tunnels, as companies have them: it is told where to, and hands bytes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class ConnectProxy:
    """Leads every tunnel to one port of this machine, wherever it was asked to; or refuses."""

    leads_to: int
    status: str = "200 Connection established"
    port: int = 0
    heads: list[str] = field(default_factory=list)
    """What was asked before each tunnel, whole."""
    carried: bytearray = field(default_factory=bytearray)
    """What went into the tunnels."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def asked_for(self) -> list[str]:
        return [head.splitlines()[0] for head in self.heads]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(OSError, asyncio.IncompleteReadError):
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(f"HTTP/1.1 {self.status}\r\n\r\n".encode())
            if self.status.startswith("200"):
                await self._tunnel(reader, writer)
        writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self.leads_to)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._copy(reader, forth, self.carried))
            both.create_task(self._copy(back, writer, bytearray()))

    async def _copy(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, seen: bytearray
    ) -> None:
        while some := await source.read(65_536):
            seen += some
            target.write(some)
            await target.drain()
        target.close()


@asynccontextmanager
async def connect_proxy(leads_to: int, *, status: str = "") -> AsyncIterator[ConnectProxy]:
    """A proxy on a free port of this machine."""
    proxy = ConnectProxy(leads_to)
    proxy.status = status or proxy.status
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with listening:
        proxy.port = listening.sockets[0].getsockname()[1]
        yield proxy
