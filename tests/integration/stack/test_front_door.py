import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from penstock_local.addresses import http_url
from penstock_local.front_door import create_app, listening
from yarl import URL

from tests.fixtures.waiting import PATIENCE_SECONDS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    async with listening(app) as port:
        yield http_url(port)


@contextlib.asynccontextmanager
async def proxied(handler: Handler) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A client, and the address of a front door whose every path ends at `handler`."""
    service = web.Application()
    service.router.add_route("*", "/{path:.*}", handler)
    services = ("ingest-api", "training-orchestrator", "console")
    async with (
        served(service) as backend,
        served(create_app(dict.fromkeys(services, backend))) as front_door,
        aiohttp.ClientSession(auto_decompress=False) as client,
    ):
        yield client, front_door


async def test_a_request_arrives_as_it_was_sent_with_its_sender() -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.json_response(
            {
                "method": request.method,
                "path": request.raw_path,
                "headers": {name.lower(): value for name, value in request.headers.items()},
                "body": (await request.read()).hex(),
            }
        )

    body = gzip.compress(b'{"readings": []}')
    async with (
        proxied(echo) as (client, front_door),
        client.post(
            URL(front_door + "/v1/readings?a=%2Fb&a=2", encoded=True),
            data=body,
            headers={"Content-Encoding": "gzip", "X-API-Key": "psk_gw-7_x", "TE": "trailers"},
        ) as answer,
    ):
        seen = await answer.json()

    assert (seen["method"], seen["path"]) == ("POST", "/v1/readings?a=%2Fb&a=2")
    assert bytes.fromhex(seen["body"]) == body
    assert seen["headers"]["x-api-key"] == "psk_gw-7_x"
    assert seen["headers"]["content-encoding"] == "gzip"
    assert seen["headers"]["content-length"] == str(len(body))
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert seen["headers"]["host"] == front_door.removeprefix("http://")
    assert "te" not in seen["headers"]


async def test_an_answer_comes_back_as_it_was_given() -> None:
    async def answer(_: web.Request) -> web.Response:
        headers = {"Content-Encoding": "gzip", "Retry-After": "7", "Location": "/v1/jobs/job-7"}
        return web.Response(status=429, body=gzip.compress(b"later"), headers=headers)

    async with (
        proxied(answer) as (client, front_door),
        client.get(front_door + "/v1/jobs", allow_redirects=False) as given,
    ):
        assert given.status == 429
        assert gzip.decompress(await given.read()) == b"later"
        assert given.headers["Retry-After"] == "7"
        assert given.headers["Location"] == "/v1/jobs/job-7"


async def test_each_event_comes_through_before_the_next_is_made() -> None:
    was_seen = asyncio.Event()

    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: one\n\n")
        await was_seen.wait()
        await response.write(b"data: two\n\n")
        return response

    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        proxied(events) as (client, front_door),
        client.get(front_door + "/v1/jobs/job-7/events") as answer,
    ):
        assert await answer.content.readany() == b"data: one\n\n"
        was_seen.set()
        assert await answer.content.readany() == b"data: two\n\n"


async def test_a_client_that_leaves_ends_its_stream_at_the_service() -> None:
    left = asyncio.Event()

    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"data: one\n\n")
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return response

    async with proxied(events) as (client, front_door), asyncio.timeout(PATIENCE_SECONDS):
        answer = await client.get(front_door + "/v1/jobs/job-7/events")
        await answer.content.readany()
        answer.close()
        await left.wait()


async def test_half_an_answer_does_not_look_like_a_whole_one() -> None:
    async def breaks(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with (
        proxied(breaks) as (client, front_door),
        client.get(front_door + "/v1/jobs") as answer,
    ):
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def test_a_large_body_streams_both_ways() -> None:
    async def back(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for piece in request.content.iter_any():
            await response.write(piece)
        return response

    async def body() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 65536

    async with (
        proxied(back) as (client, front_door),
        client.post(front_door + "/v1/objects", data=body()) as answer,
    ):
        assert len(await answer.read()) == 64 * 65536


async def test_a_service_that_is_away_is_named_and_worth_another_try() -> None:
    nobody = dict.fromkeys(("ingest-api", "training-orchestrator", "console"), "http://127.0.0.1:1")
    async with served(create_app(nobody)) as front_door, aiohttp.ClientSession() as client:
        async with client.post(front_door + "/v1/readings", data=b"{}") as answer:
            body = await answer.json()
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert body["error"] == "Unavailable"
            assert "ingest-api" in body["detail"]
        async with client.get(front_door + "/healthz") as answer:
            assert answer.status == 200
