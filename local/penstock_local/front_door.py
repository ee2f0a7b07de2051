"""One address for people: a streaming reverse proxy with the path rules of the load balancer.

`python -m penstock_local.front_door --port 8080 --backend ingest-api=http://127.0.0.1:8081 ...`
"""

import argparse
import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    hdrs,
    web,
)
from multidict import CIMultiDict, CIMultiDictProxy
from penstock.resources import OTHER_PATHS, PATH_RULES
from yarl import URL

from penstock_local.ports import LOOPBACK

# Of one connection, not of the message: each side of a proxy has its own (RFC 9110, 7.6.1).
_HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_CONNECT_SECONDS = 3.0
_STOP_SECONDS = 2.0


_BACKENDS = web.AppKey("backends", Mapping[str, str])
_CLIENT = web.AppKey("client", ClientSession)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="penstock_local.front_door", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default=LOOPBACK, help="another one only inside a container")
    parser.add_argument("--backend", action="append", required=True, metavar="SERVICE=URL")
    options = parser.parse_args()
    backends = dict(backend.split("=", 1) for backend in options.backend)
    asyncio.run(_serve(create_app(backends), options.host, options.port))


async def _serve(app: web.Application, host: str, port: int) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with listening(app, host, port):
        await stopping.wait()


@asynccontextmanager
async def listening(
    app: web.Application, host: str = LOOPBACK, port: int = 0
) -> AsyncIterator[int]:
    """Serve for as long as the context is open; say on which port."""
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,  # bodies pass as they came
        handler_cancellation=True,  # a client that leaves ends its stream at the service too
        shutdown_timeout=_STOP_SECONDS,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def service_of(path: str) -> str:
    """Return the service that answers a path."""
    return next((rule.command for rule in PATH_RULES if rule.covers(path)), OTHER_PATHS)


def create_app(backends: Mapping[str, str]) -> web.Application:
    """Build the proxy over the base URL of each service."""
    app = web.Application()
    app[_BACKENDS] = backends
    app.cleanup_ctx.append(_own_client)
    app.router.add_get("/healthz", _healthz)
    app.router.add_route("*", "/{path:.*}", _forward)
    return app


async def _own_client(app: web.Application) -> AsyncIterator[None]:
    # No limit of its own on time or connections: the services have theirs, and events stream long.
    timeout = ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
    async with ClientSession(
        timeout=timeout,
        auto_decompress=False,
        connector=TCPConnector(limit=0),
        skip_auto_headers=(hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.USER_AGENT, hdrs.CONTENT_TYPE),
        cookie_jar=DummyCookieJar(),
    ) as client:
        app[_CLIENT] = client
        yield


async def _healthz(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _forward(request: web.Request) -> web.StreamResponse:
    service = service_of(request.path)
    try:
        upstream = await request.app[_CLIENT].request(
            request.method,
            # Encoded as it came: a proxy must not read more into a path than the service would.
            URL(request.app[_BACKENDS][service] + request.raw_path, encoded=True),
            headers=_to_service(request),
            data=request.content if request.body_exists else None,
            allow_redirects=False,
        )
    except (ClientError, TimeoutError) as error:
        return _unavailable(service, error)
    async with upstream:
        return await _stream(request, upstream)


async def _stream(request: web.Request, upstream: ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(
        status=upstream.status, reason=upstream.reason, headers=_end_to_end(upstream.headers)
    )
    await response.prepare(request)
    try:
        # As it comes, whatever its size: an event must not wait for the next one.
        async for piece in upstream.content.iter_any():
            await response.write(piece)
        await response.write_eof()
    except ClientError:
        # Half an answer must not look like a whole one.
        if request.transport is not None:
            request.transport.abort()
    return response


def _to_service(request: web.Request) -> CIMultiDict[str]:
    headers = _end_to_end(request.headers)
    headers.popall(hdrs.EXPECT, None)  # answered here already
    before = request.headers.getall(hdrs.X_FORWARDED_FOR, [])
    headers[hdrs.X_FORWARDED_FOR] = ", ".join([*before, request.remote or "unknown"])
    headers.setdefault(hdrs.X_FORWARDED_PROTO, request.scheme)
    return headers


def _end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    named = ",".join(headers.getall(hdrs.CONNECTION, []))
    dropped = _HOP_BY_HOP | {name.strip().lower() for name in named.split(",")}
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in dropped
    )


def _unavailable(service: str, error: Exception) -> web.Response:
    detail = f"{service} does not answer ({type(error).__name__}): see `penstock-local status`"
    body = {"error": "Unavailable", "detail": detail, "request_id": ""}
    return web.json_response(body, status=503, headers={hdrs.RETRY_AFTER: "1"})


if __name__ == "__main__":
    main()
