"""`serve`: GET /ping and POST /invocations as a raw ASGI application under uvicorn."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import uvicorn

from penstock_algorithms.errors import RefusedError
from penstock_algorithms.invocations import Answer, Predictor, answer_invocation

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

logger = logging.getLogger(__name__)

# Below this a prediction takes about as long as the hop to a thread and back.
INLINE_BYTES = 16_384
MAX_BODY_BYTES = 6_291_456
STOP_SECONDS = 10


@dataclass(frozen=True, slots=True)
class ServingSettings:
    host: str
    port: int
    max_body_bytes: int
    default_accept: str | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ServingSettings":
        return cls(
            host=environment.get("SAGEMAKER_BIND_HOST", "127.0.0.1"),
            port=int(environment.get("SAGEMAKER_BIND_TO_PORT", "8080")),
            max_body_bytes=int(environment.get("MAX_CONTENT_LENGTH", str(MAX_BODY_BYTES))),
            default_accept=environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"),
        )


class ModelServer:
    """The ASGI application around one loaded model."""

    def __init__(self, predictor: Predictor[Any, Any], settings: ServingSettings) -> None:
        self._predictor = predictor
        self._settings = settings
        # One thread: the model's own threads use the other cores, and /ping stays answerable.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="predict")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        match (scope["method"], scope["path"]):
            case ("GET", "/ping"):
                answer = Answer(200, b"")
            case ("POST", "/invocations"):
                answer = await self._invoke(_headers(scope), receive)
            case (_, "/ping" | "/invocations"):
                answer = Answer(405, b"method not allowed")
            case _:
                answer = Answer(404, b"not found")
        await _send_answer(answer, send)

    async def _invoke(self, headers: dict[bytes, str], receive: Receive) -> Answer:
        try:
            body = await _read_body(headers, receive, self._settings.max_body_bytes)
        except RefusedError as refused:
            return Answer(refused.status, refused.reason.encode())
        try:
            if len(body) <= INLINE_BYTES:
                return self._predict(body, headers)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._predict, body, headers)
        except Exception:
            logger.exception("invocation failed")
            return Answer(500, b"the model failed; its log says why")

    def _predict(self, body: bytes, headers: dict[bytes, str]) -> Answer:
        return answer_invocation(
            self._predictor,
            body,
            content_type=headers.get(b"content-type"),
            accept=_accept(headers) or self._settings.default_accept,
        )


def serve(predictor: Predictor[Any, Any], settings: ServingSettings) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are finished first."""
    config = uvicorn.Config(
        ModelServer(predictor, settings),
        host=settings.host,
        port=settings.port,
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    uvicorn.Server(config).run()


def _headers(scope: Scope) -> dict[bytes, str]:
    return {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _accept(headers: dict[bytes, str]) -> str | None:
    accept = headers.get(b"accept")
    # Clients that do not care send */*; the container's own default counts then.
    return None if accept == "*/*" else accept


async def _read_body(headers: dict[bytes, str], receive: Receive, limit: int) -> bytes:
    with contextlib.suppress(ValueError):
        if int(headers.get(b"content-length", "0")) > limit:
            raise RefusedError(413, f"the body is larger than {limit} bytes")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "the caller went away")
        size += len(message.get("body", b""))
        if size > limit:
            raise RefusedError(413, f"the body is larger than {limit} bytes")
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _send_answer(answer: Answer, send: Send) -> None:
    headers = [(b"content-type", answer.content_type.encode())]
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
