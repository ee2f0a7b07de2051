"""Relay HTTP requests to the target, and spoil those that the book says."""

import asyncio
import io
import logging
from typing import Any, TypeVar

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from penstock_local.faults.connections import reset
from penstock_local.faults.refusals import describe_request, recognise_dialect, refuse
from penstock_local.faults.rules import Fault, FaultBook, Verdict
from penstock_local.faults.target import Target

T = TypeVar("T")

logger = logging.getLogger(__name__)

# They speak of one connection, not of the message.
HOP_BY_HOP = frozenset(
    [
        "connection",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
# Ends that come before the target is asked, unless the fault says `after`.
_ENDS = ("drop", "throttle", "error")
# The client's own defaults must not be added to what was sent.
_ADDED_BY_AIOHTTP = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class HttpRelay:
    """One HTTP target. `factory` makes the protocol of each accepted connection."""

    def __init__(self, target: Target, book: FaultBook) -> None:
        self._target = str(target)
        self._book = book
        self._session: aiohttp.ClientSession | None = None
        self._server: web.Server | None = None

    async def open(self) -> None:
        # Bodies pass through as they are, compressed ones too.
        self._server = web.Server(self._handle, auto_decompress=False)
        # A connection each: a kept one that the target has closed would look like a fault of ours.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            skip_auto_headers=_ADDED_BY_AIOHTTP,
        )

    async def close(self) -> None:
        if self._server is not None:
            await self._server.shutdown(timeout=0.1)
        if self._session is not None:
            await self._session.close()

    def factory(self) -> asyncio.Protocol:
        return _opened(self._server)()

    def abort_connections(self) -> None:
        for connection in list(_opened(self._server).connections):
            if connection.transport is not None:
                reset(connection.transport)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await request.content.read()
        facts = describe_request(request.method, request.path, request.headers, body)
        verdict = self._book.judge(facts)
        await asyncio.sleep(verdict.delay_before)
        try:
            return await self._answer(request, body, verdict)
        except aiohttp.ClientError as error:
            # The caller sees what it would see without the proxy: a connection that breaks.
            logger.warning("target %s failed: %r", self._target, error)
            return _reset_caller(request)

    async def _answer(
        self, request: web.BaseRequest, body: bytes, verdict: Verdict
    ) -> web.StreamResponse:
        fault = verdict.end
        if fault is None:
            return await self._pass(request, body, verdict.delay_after)
        if fault.kind == "duplicate" or (fault.when == "after" and fault.kind in _ENDS):
            # What the target answers to this one is never seen.
            await self._fetch(request, body)
        await asyncio.sleep(verdict.delay_after)
        match fault.kind:
            case "drop":
                return _reset_caller(request)
            case "throttle" | "error":
                return _refuse(request, body, fault)
            case "cut" | "truncate":
                return await self._halve(request, body, closing=fault.kind == "cut")
            case _:
                return await self._pass(request, body, 0)

    async def _pass(
        self, request: web.BaseRequest, body: bytes, delay_after: float
    ) -> web.StreamResponse:
        async with self._send(request, body) as answer:
            await asyncio.sleep(delay_after)
            response = web.StreamResponse(
                status=answer.status, reason=answer.reason, headers=_end_to_end(answer.headers)
            )
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    async def _halve(
        self, request: web.BaseRequest, body: bytes, *, closing: bool
    ) -> web.StreamResponse:
        status, headers, content = await self._fetch(request, body)
        half = content[: len(content) // 2]
        headers["Content-Length"] = str(len(content) if closing else len(half))
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        await response.write(half)
        if closing and request.transport is not None:
            request.transport.close()
        return response

    async def _fetch(
        self, request: web.BaseRequest, body: bytes
    ) -> tuple[int, CIMultiDict[str], bytes]:
        async with self._send(request, body) as answer:
            return answer.status, _end_to_end(answer.headers), await answer.read()

    def _send(self, request: web.BaseRequest, body: bytes) -> Any:
        return _opened(self._session).request(
            request.method,
            URL(self._target + request.raw_path, encoded=True),
            headers=_end_to_end(request.headers),
            data=io.BytesIO(body) if body else None,
            allow_redirects=False,
        )


def _opened(part: T | None) -> T:
    if part is None:
        raise RuntimeError("the relay is not open")
    return part


def _reset_caller(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        reset(request.transport)
    return web.Response()  # never leaves: its connection is gone


def _refuse(request: web.BaseRequest, body: bytes, fault: Fault) -> web.StreamResponse:
    refusal = refuse(fault, recognise_dialect(request.headers, body))
    return web.Response(status=refusal.status, headers=refusal.headers, body=refusal.body)


def _end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    return CIMultiDict((k, v) for k, v in headers.items() if k.lower() not in HOP_BY_HOP)
