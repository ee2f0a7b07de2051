"""An endpoint for gateways that keeps what it gets, once and only once per tag and time."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Endpoint:
    """Answers 200 unless `on_post` gives another answer for the number of the POST, from 1."""

    on_post: Callable[[int], web.Response | None] = lambda _number: None
    url: str = ""
    posts: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    readings: Counter[tuple[str, int]] = field(default_factory=Counter)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.posts.append(body)
        self.headers.append(dict(request.headers))
        refusal = self.on_post(len(self.posts))
        if refusal is not None:
            return refusal
        found = [
            (tag, event["ts"])
            for tag, events in body.items()
            if isinstance(events, list) and tag.startswith("/")
            for event in events
        ]
        self.readings.update(found)
        return web.json_response({"accepted": len(found) or 1, "request_id": "r-1"})


@asynccontextmanager
async def receiving(endpoint: Endpoint) -> AsyncIterator[Endpoint]:
    app = web.Application()
    app.router.add_post("/v1/readings", endpoint.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/readings"
        yield endpoint
    finally:
        await runner.cleanup()
