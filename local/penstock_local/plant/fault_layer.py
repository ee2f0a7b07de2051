"""Faults of the history server itself: a layer around the ASGI application.

PUT /_penstock/faults   a list of faults, as the fault proxy takes them, of the kinds below
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from penstock_local.faults.refusals import Dialect, refuse
from penstock_local.faults.rules import Fault, FaultBook, RequestFacts
from penstock_local.plant.asking import answer

KINDS = frozenset(["delay", "throttle", "error", "truncate", "cut", "wrong_total"])
CONTROL = "/_penstock/"

_FAULTS: TypeAdapter[list[Fault]] = TypeAdapter(list[Fault])

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def check_kinds(faults: list[Fault]) -> None:
    """Raise ValueError for a fault that only a proxy can make."""
    for fault in faults:
        if fault.kind not in KINDS:
            raise ValueError(f"{fault.kind} is not one of {', '.join(sorted(KINDS))}")


class FaultLayer:
    """Lets requests through, or spoils those that the book says."""

    def __init__(self, app: Application, book: FaultBook) -> None:
        self._app = app
        self._book = book

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            await self._app(scope, receive, send)
            return
        verdict = self._book.judge(RequestFacts(scope["method"], scope["path"]))
        await asyncio.sleep(verdict.delay_before + verdict.delay_after)
        fault = verdict.end
        if fault is None:
            await self._app(scope, receive, send)
        elif fault.kind in ("throttle", "error"):
            await _refuse(fault, send)
        elif fault.kind == "wrong_total":
            scope.setdefault("state", {})["wrong_total"] = True
            await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, _halving(send, closing=fault.kind == "cut"))


async def _refuse(fault: Fault, send: Send) -> None:
    refusal = refuse(fault, Dialect.PLAIN)
    headers = [(k.lower().encode(), v.encode()) for k, v in refusal.headers.items()]
    headers.append((b"content-length", str(len(refusal.body)).encode()))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": refusal.body})


def _halving(send: Send, *, closing: bool) -> Send:
    """Send half of a body that comes in one piece: closing the connection, or as if it were all."""
    start: Message = {}

    async def send_half(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
            return
        half = message["body"][: len(message["body"]) // 2]
        if not closing:
            kept = [(k, v) for k, v in start["headers"] if k != b"content-length"]
            start["headers"] = [*kept, (b"content-length", str(len(half)).encode())]
        await send(start)
        # A body that is announced as unfinished and never ends makes the server hang up.
        await send({"type": "http.response.body", "body": half, "more_body": closing})

    return send_half


class FaultControl:
    """The route that sets the server's faults; it is never spoiled itself and asks for no token."""

    def __init__(self, book: FaultBook) -> None:
        self._book = book

    async def handle(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._book.set()
        elif request.method == "PUT":
            try:
                faults = _FAULTS.validate_json(await request.body())
                check_kinds(faults)
            except ValueError as error:
                return answer({"error": str(error)}, status=422)
            self._book.set(*faults)
        in_force = [fault.model_dump(exclude_defaults=True) for fault in self._book.faults]
        return answer({"faults": in_force, "hits": dict(self._book.hits)})
