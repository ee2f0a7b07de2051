"""A proxy on loopback that passes everything on, until it is told what should go wrong.

async with FaultProxy(target="127.0.0.1:4566") as proxy:
proxy.set(Fault(kind="throttle", action="InvokeEndpoint", count=3))
...  # clients that talk to proxy.url
proxy.clear()
"""

import asyncio
import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from penstock_local.faults.http_relay import HttpRelay
from penstock_local.faults.rules import Fault, FaultBook
from penstock_local.faults.target import Target
from penstock_local.faults.tcp_relay import TcpRelay

LOOPBACK = "127.0.0.1"


class Relay(Protocol):
    async def open(self) -> None: ...
    async def close(self) -> None: ...
    def factory(self) -> asyncio.Protocol: ...
    def abort_connections(self) -> None: ...


class FaultProxy:
    """One listening port in front of one target: `[http://|tcp://]host:port` or `unix:///path`.

    Without a scheme the target speaks HTTP; in front of a Unix socket the proxy listens on TCP.
    `set` and `clear` act at once and must be called on the proxy's own event loop.
    """

    def __init__(
        self, *, target: str, port: int = 0, faults: Sequence[Fault] = (), seed: int = 0
    ) -> None:
        self._target = Target.parse(target)
        self._book = FaultBook(faults, seed=seed)
        relay = HttpRelay if self._target.scheme == "http" else TcpRelay
        self._relay: Relay = relay(self._target, self._book)
        self.port = port
        self._closed = False
        self._server: asyncio.Server | None = None
        self._opening: asyncio.Task[None] | None = None
        self._reopening: asyncio.TimerHandle | None = None

    @property
    def url(self) -> str:
        scheme = "http" if self._target.scheme == "http" else "tcp"
        return f"{scheme}://{LOOPBACK}:{self.port}"

    @property
    def faults(self) -> list[Fault]:
        """The faults that can still strike, with the counts that are left."""
        return self._book.faults

    @property
    def hits(self) -> dict[str, int]:
        """How often each kind has struck."""
        return dict(self._book.hits)

    def set(self, *faults: Fault) -> None:
        """Replace all faults."""
        self._book.set(*faults)
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None
        refuse = self._book.refusing
        if refuse is not None and refuse.seconds:
            loop = asyncio.get_running_loop()
            self._reopening = loop.call_later(refuse.seconds, self._end_refusing)
        self._obey()

    def add(self, *faults: Fault) -> None:
        self.set(*self._book.faults, *faults)

    def clear(self) -> None:
        self.set()

    async def __aenter__(self) -> Self:
        await self._relay.open()
        try:
            # Also when it starts out refusing: the port is taken, and known from now on.
            self._opening = asyncio.create_task(self._listen(self._bind()))
        except OSError:
            await self._relay.close()
            raise
        await self._opening
        self.set(*self._book.faults)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed = True
        self.clear()
        if self._opening is not None:
            await self._opening
        await self._relay.close()

    def _obey(self) -> None:
        """Listen or not, as the faults say."""
        refusing = self._closed or self._book.refusing is not None
        if refusing and self._server is not None:
            self._server.close()
            self._server = None
            self._relay.abort_connections()
        elif not refusing and self._server is None and self._opening is None:
            # Bound at once: a caller that connects before the loop runs waits in the backlog.
            listening = self._bind()
            self._opening = asyncio.create_task(self._listen(listening), name="fault-proxy-listen")

    def _bind(self) -> socket.socket:
        listening = socket.create_server((LOOPBACK, self.port))
        self.port = listening.getsockname()[1]
        return listening

    async def _listen(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._relay.factory, sock=listening)
        self._opening = None
        self._obey()  # the faults may have changed meanwhile

    def _end_refusing(self) -> None:
        self.set(*(fault for fault in self._book.faults if fault.kind != "refuse"))
