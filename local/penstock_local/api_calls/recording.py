"""Reads the requests to a stand-in as they pass, and has what they ask for recorded."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from penstock_local.api_calls.recorder import Recorder
from penstock_local.api_calls.request import (
    Operation,
    Signed,
    has_body_to_read,
    read_operation,
    signed_by,
)

# The largest body that SQS takes, and room for the rest of the request.
_MOST_BODY_BYTES = 2 * 1024 * 1024
_NOT_FOUND = 404

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]


@dataclass(slots=True)
class _Exchange:
    """One request on its way through the app, read when its body is complete."""

    recorder: Recorder
    signed: Signed
    scope: _Message
    headers: dict[bytes, bytes]
    body: bytearray
    operation: Operation | None = None

    def take(self, message: _Message) -> None:
        if self.operation is not None or message["type"] != "http.request":
            return
        if len(self.body) <= _MOST_BODY_BYTES:
            self.body += message.get("body", b"")
        if not message.get("more_body", False):
            self.read()

    def read(self) -> None:
        self.operation = read_operation(
            self.signed,
            method=self.scope["method"],
            path=self.scope["path"],
            query=self.scope["query_string"],
            headers=self.headers,
            body=bytes(self.body),
        )
        if self.operation is not None:
            self.recorder.note(self.signed.access_key_id, self.operation)

    def answered(self, message: _Message) -> None:
        is_missing = message["type"] == "http.response.start" and message["status"] == _NOT_FOUND
        if is_missing and self.operation is not None:
            self.recorder.note_missing(self.signed.access_key_id, self.operation)


def recording(app: _App, recorder: Recorder) -> _App:
    """Let an app's requests be recorded as they pass."""

    async def recorded(scope: _Message, receive: _Receive, send: _Send) -> None:
        signed = signed_by(scope["headers"]) if scope["type"] == "http" else None
        if signed is None or not recorder.wants(signed.access_key_id):
            await app(scope, receive, send)
            return
        exchange = _Exchange(recorder, signed, scope, dict(scope["headers"]), bytearray())

        async def receive_and_read() -> _Message:
            message = await receive()
            exchange.take(message)
            return message

        async def send_and_look(message: _Message) -> None:
            exchange.answered(message)
            await send(message)

        if has_body_to_read(exchange.headers):
            await app(scope, receive_and_read, send)
        else:
            exchange.read()
            await app(scope, receive, send_and_look)

    return recorded
