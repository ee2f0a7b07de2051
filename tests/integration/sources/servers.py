"""Small HTTP servers on free loopback ports, for sources that behave and that do not."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from penstock.source_settings import SourceBody

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Answer every request by one function; yield the port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        addresses = runner.addresses
        yield addresses[0][1]
    finally:
        await runner.cleanup()


def make_source(port: int, **parts: Any) -> SourceBody:
    body = {
        "name": "historian",
        "plugin": "paged_json",
        "base_url": f"http://127.0.0.1:{port}",
        "options": {"path": "/api/readings"},
        "timeout_s": 30.0,
        **parts,
    }
    return SourceBody.model_validate(body)
