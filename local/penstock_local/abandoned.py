"""Ends the transactions of killed clients that would hold back others in fakesnow for ever.

A client that dies in a transaction leaves it open in the server, and whoever writes the same rows
meets a conflict. Snowflake aborts such a transaction once it holds back another for five minutes;
here seconds do. The session ends with it, so that a client which only slept is told to log in
again instead of going on without the first half of its work.
"""

import contextlib
import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import duckdb

IDLE_SECONDS = 3.0

_TOKEN = re.compile(rb'Snowflake Token="([^"]+)"')
_CHANGES = re.compile(r"\s*(merge|insert|update|delete|copy)\b", re.IGNORECASE)
_ENDS = re.compile(r"\s*(commit|rollback)\b", re.IGNORECASE)

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
App = Callable[[_Message, _Receive, _Send], Awaitable[None]]


class AbandonedSessions:
    """Wraps the server's application and listens to what is asked; `sessions` is its own table.

    A session that has changed something, has not ended its transaction and asks nothing for
    `idle_seconds` is ended by the next request of another.
    """

    def __init__(
        self,
        app: App,
        sessions: MutableMapping[str, Any],
        *,
        idle_seconds: float = IDLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._sessions = sessions
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._in_flight: Counter[str] = Counter()
        self._open_since: dict[str, float] = {}
        """Sessions in a transaction that changed something, and when each last asked."""

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Serve a request."""
        token = _token_of(scope) if scope["type"] == "http" else ""
        if not token:
            await self._app(scope, receive, send)
            return
        self._end_abandoned(but=token)
        body = bytearray()

        async def listen() -> _Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        self._in_flight[token] += 1
        try:
            await self._app(scope, listen, send)
        finally:
            self._in_flight[token] -= 1
            self._note(token, _statement_of(bytes(body)))

    def _note(self, token: str, statement: str) -> None:
        if _ENDS.match(statement):
            self._open_since.pop(token, None)
        elif token in self._open_since or _CHANGES.match(statement):
            self._open_since[token] = self._clock()

    def _end_abandoned(self, *, but: str) -> None:
        before = self._clock() - self._idle_seconds
        for token, asked_at in list(self._open_since.items()):
            if token == but or self._in_flight[token] or asked_at > before:
                continue
            del self._open_since[token]
            connection = self._sessions.pop(token, None)
            if connection is not None:
                # Closing alone would keep the transaction until the object is collected.
                with contextlib.suppress(duckdb.Error):  # it had ended by an error already
                    connection.rollback()
                connection.close()


def _token_of(scope: _Message) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization" and (found := _TOKEN.search(value)):
            return found.group(1).decode()
    return ""


def _statement_of(body: bytes) -> str:
    """What a request asks in SQL; empty where it asks something else."""
    try:
        opened = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
        return str(json.loads(opened).get("sqlText", ""))
    except (OSError, EOFError, ValueError, AttributeError):
        return ""
