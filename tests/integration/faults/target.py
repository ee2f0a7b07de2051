"""A target that remembers what reached it."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Echo:
    """Answers each request with what it was; `/gzip` compressed, `/long` in many chunks."""

    url: str = ""
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.content.read()
        self.requests.append((request.method, request.raw_path, body))
        if request.path == "/long":
            return await self._stream(request)
        text = json.dumps(
            {
                "number": len(self.requests),
                "method": request.method,
                "path": request.raw_path,
                "headers": dict(request.headers),
                "body": body.decode("latin-1"),
            }
        )
        if request.path == "/gzip":
            packed = zlib.compress(text.encode(), wbits=31)
            return web.Response(body=packed, headers={"Content-Encoding": "gzip"})
        return web.Response(text=text, content_type="application/json", headers={"X-Mine": "1"})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x" * 1000)
            await asyncio.sleep(0)
        await response.write_eof()
        return response


@asynccontextmanager
async def echoing() -> AsyncIterator[Echo]:
    echo = Echo()
    app = web.Application(client_max_size=2**26, handler_args={"auto_decompress": False})
    app.router.add_route("*", "/{any:.*}", echo.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        echo.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield echo
    finally:
        await runner.cleanup()
