"""Looks at `/metrics` of every service, again and again."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from penstock_local.observing.series import Series

SERIES = web.AppKey("series", Mapping[str, Series])

_EVERY_SECONDS = 2.0
_PATIENCE_SECONDS = 1.5
_MOST_BYTES = 4 * 1024 * 1024


async def keep_looking(app: web.Application, urls: Mapping[str, str]) -> AsyncIterator[None]:
    """Look for as long as the application is up."""
    async with ClientSession(timeout=ClientTimeout(total=_PATIENCE_SECONDS)) as client:
        looking = asyncio.create_task(_look(app[SERIES], urls, client), name="looking")
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


async def _look(
    series: Mapping[str, Series], urls: Mapping[str, str], client: ClientSession
) -> None:
    while True:
        began = time.monotonic()
        await asyncio.gather(*(_look_at(series[name], url, client) for name, url in urls.items()))
        await asyncio.sleep(max(0.0, _EVERY_SECONDS - (time.monotonic() - began)))


async def _look_at(series: Series, url: str, client: ClientSession) -> None:
    try:
        async with client.get(f"{url}/metrics") as response:
            body = await response.content.read(_MOST_BYTES) if response.status == 200 else b""
    except (ClientError, TimeoutError):
        body = b""
    if body:
        series.add(body.decode(errors="replace"), time.time())
    else:
        series.is_answering = False
