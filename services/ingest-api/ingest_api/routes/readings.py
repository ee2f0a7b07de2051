"""The door for gateways: a raw ASGI application beside FastAPI, since it is the hot path.

It owns 400, 401, 403, 408, 413, 415 and 429: a gateway takes 422 for a fault of ours.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from penstock.domain.errors import InvalidInput, Unavailable
from penstock.domain.time import to_iso
from penstock.gateways import GatewayKey
from penstock.ports import Clock
from penstock.runtime.clock import new_id
from penstock.runtime.telemetry import Metrics
from penstock.runtime.traceparent import read_traceparent
from penstock.runtime.tracing import NO_TRACING, UNTRACED, Span, Tracing
from starlette.types import Receive, Scope, Send

from ingest_api.accept import Acceptor, Arrival, TooManyItems
from ingest_api.answers import Answer, Refusal, json_answer
from ingest_api.credentials import presented_key
from ingest_api.gateway_directory import GatewayDirectory, KnownGateway
from ingest_api.idempotency import KeptAnswers, request_identity
from ingest_api.request_body import BodyReader, ClientGone
from ingest_api.verdicts import accepted_answer, checked_answer

READINGS = "/v1/readings"
CHECK = "/v1/readings/check"
PING = "/v1/ping"

_WANTED_HEADERS = frozenset(
    {
        b"authorization", b"x-api-key", b"content-encoding", b"content-length",
        b"idempotency-key", b"traceparent",
    }
)  # fmt: skip

log = structlog.get_logger()


@dataclass(slots=True)
class Request:
    """What the door looks at of a request; `gateway_id` once its key was found good."""

    id: str
    path: str
    headers: Mapping[bytes, bytes]
    receive: Receive
    gateway_id: str = ""
    span: Span = UNTRACED


@dataclass(frozen=True, slots=True)
class Door:
    """Answers the routes of gateways; `deadline_seconds` runs from the last byte of a body."""

    directory: GatewayDirectory
    acceptor: Acceptor
    bodies: BodyReader
    kept_answers: KeptAnswers
    clock: Clock
    metrics: Metrics
    deadline_seconds: float = 3.5
    tracing: Tracing = NO_TRACING

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, always with JSON."""
        headers = {name: value for name, value in scope["headers"] if name in _WANTED_HEADERS}
        request = Request(new_id(self.clock), scope["path"].rstrip("/"), headers, receive)
        name = f"{scope['method']} {request.path}"
        with self.tracing.span(name, _trace_of(headers), kind="server") as request.span:
            try:
                answer = await self._answer(scope["method"], request)
            except ClientGone:
                request.span.fail("the client is gone")
                log.info("request.abandoned", request_id=request.id, gateway_id=request.gateway_id)
                return
            if request.span.is_recorded:
                _describe(request, answer)
        self.metrics.count("http_requests", route=request.path, code=str(answer.status))
        await _send(send, answer, request.id)

    async def _answer(self, method: str, request: Request) -> Answer:
        methods, handle = ROUTES[request.path]
        try:
            if method in methods:
                return await handle(self, request)
            return _refused(request, _not_allowed(methods))
        except Refusal as refusal:
            return _refused(request, refusal)
        except InvalidInput as error:
            status = 413 if isinstance(error, TooManyItems) else 400
            return _refused(request, Refusal(status, type(error).__name__, str(error)))
        except Unavailable as error:
            wait = error.retry_after_seconds or 1
            unavailable = Refusal(503, "Unavailable", str(error), retry_after_seconds=wait)
            return _refused(request, unavailable)
        except Exception:  # the boundary of a request
            log.exception("request.failed", request_id=request.id, gateway_id=request.gateway_id)
            detail = "an internal error; the log has it under this request id"
            return Refusal(500, "InternalError", detail).answer(request.id)

    async def open(self, request: Request) -> tuple[KnownGateway, GatewayKey]:
        """Find the gateway of the request's key; raise Refusal or Unavailable."""
        gateway, key = await self.directory.open(presented_key(request.headers))
        request.gateway_id = gateway.gateway_id
        return gateway, key


async def post_readings(door: Door, request: Request) -> Answer:
    """Take readings in; answer 200 once all of them, and all rejects, are durable."""
    gateway, _ = await door.open(request)
    _keep_to_quota(door, gateway)
    with door.bodies.held() as held:
        body = await held.read(request.headers, request.receive)
        deadline = asyncio.get_running_loop().time() + door.deadline_seconds
        gateway.quota.take_bytes(held.size, time.monotonic())
        idempotency_key = request.headers.get(b"idempotency-key")
        if idempotency_key is None:
            return await _accept(door, gateway, body, request, deadline=deadline)
        identity = request_identity(gateway.gateway_id, idempotency_key, body)
        answer = await door.kept_answers.find(identity)
        if answer is None:
            answer = await _accept(door, gateway, body, request, deadline=deadline)
            await door.kept_answers.keep(identity, answer)
        return answer


async def check_readings(door: Door, request: Request) -> Answer:
    """Say how a body would be understood and judged; publish nothing."""
    gateway, _ = await door.open(request)
    _keep_to_quota(door, gateway)
    with door.bodies.held() as held:
        body = await held.read(request.headers, request.receive)
        gateway.quota.take_bytes(held.size, time.monotonic())
        judged, formats = door.acceptor.check(Arrival(gateway, body, request.id))
        return checked_answer(judged, formats, request.id)


async def ping(door: Door, request: Request) -> Answer:
    """Prove a key: say whose it is and until when it is valid."""
    gateway, key = await door.open(request)
    return json_answer(
        200,
        {
            "gateway_id": gateway.gateway_id,
            "key_id": key.key_id,
            "key_expires_at": None if key.expires_at is None else to_iso(key.expires_at),
            "now": to_iso(door.clock.now()),
            "request_id": request.id,
        },
    )


ROUTES: Mapping[str, tuple[tuple[str, ...], Callable[[Door, Request], Awaitable[Answer]]]] = {
    READINGS: (("POST", "PUT", "PATCH"), post_readings),
    CHECK: (("POST", "PUT", "PATCH"), check_readings),
    PING: (("GET",), ping),
}
"""Methods and handler by path."""


async def _accept(
    door: Door, gateway: KnownGateway, body: bytes, request: Request, *, deadline: float
) -> Answer:
    arrival = Arrival(gateway, body, request.id, request.span)
    judged, pack_ids = await door.acceptor.accept(arrival, deadline=deadline)
    gateway.quota.take_readings(judged.accepted, time.monotonic())
    # The usual request is told at level debug: a line each would cost more than judging it.
    tell = log.info if judged.refused else log.debug
    if request.span.is_recorded:
        request.span.note(
            {"penstock.accepted": judged.accepted, "penstock.rejected": len(judged.refused)}
        )
    tell("readings.accepted", request_id=request.id, gateway_id=gateway.gateway_id,
         accepted=judged.accepted, rejected=len(judged.refused), packs=pack_ids)  # fmt: skip
    return accepted_answer(judged, request.id)


def _trace_of(headers: Mapping[bytes, bytes]) -> str:
    given = headers.get(b"traceparent")
    return read_traceparent(given.decode("latin-1")) if given else ""


def _describe(request: Request, answer: Answer) -> None:
    request.span.note(
        {
            "http.route": request.path,
            "http.response.status_code": answer.status,
            "penstock.request_id": request.id,
            "penstock.gateway_id": request.gateway_id,
        }
    )
    if answer.status >= 500:
        request.span.fail(str(answer.status))


def _refused(request: Request, refusal: Refusal) -> Answer:
    log.warning("request.refused", request_id=request.id, gateway_id=request.gateway_id,
                route=request.path, code=refusal.status, error=refusal.name, detail=str(refusal),
                )  # fmt: skip
    return refusal.answer(request.id)


def _not_allowed(methods: Sequence[str]) -> Refusal:
    allowed = ", ".join(methods)
    headers = {b"allow": allowed.encode()}
    return Refusal(405, "MethodNotAllowed", f"use {allowed}", headers=headers)


def _keep_to_quota(door: Door, gateway: KnownGateway) -> None:
    """Turn away who is over the quota, or only tell where the gateway cannot wait."""
    wait = gateway.quota.wait_seconds(time.monotonic())
    if not wait:
        return
    waits = gateway.gateway.settings.on_over_quota == "429"
    outcome = "refused" if waits else "accepted"
    door.metrics.count("quota_exceeded", gateway=gateway.gateway_id, outcome=outcome)
    if waits:
        detail = f"gateway {gateway.gateway_id} is over its quota"
        raise Refusal(429, "TooManyRequests", detail, retry_after_seconds=wait)


async def _send(send: Send, answer: Answer, request_id: str) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-request-id", request_id.encode()),
        *answer.headers.items(),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
