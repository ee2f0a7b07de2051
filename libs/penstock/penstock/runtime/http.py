"""What every service answers alike: errors, request ids, health, readiness, metrics."""

import time
from collections.abc import Awaitable, Callable, Mapping

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from penstock.domain.errors import Conflict, InvalidInput, NotFound, PenstockError, Unavailable
from penstock.ports import Clock
from penstock.runtime.clock import new_id
from penstock.runtime.telemetry import Metrics
from penstock.runtime.traceparent import read_traceparent
from penstock.runtime.tracing import NO_TRACING, UNTRACED, Span, Tracing

Check = Callable[[], Awaitable[None]]
"""A readiness check: returns when fine, raises PenstockError with what is wrong."""

_STATUS_BY_FAMILY: Mapping[type[PenstockError], int] = {
    InvalidInput: 422,
    NotFound: 404,
    Conflict: 409,
    Unavailable: 503,
}

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOKS = ("/healthz", "/readyz", "/metrics")
"""Asked for every few seconds by machines: not counted."""

log = structlog.get_logger()


def status_of(error: PenstockError) -> int:
    """HTTP status of an error's family."""
    return next(
        (status for family, status in _STATUS_BY_FAMILY.items() if isinstance(error, family)), 500
    )


def install(
    app: FastAPI,
    *,
    clock: Clock,
    metrics: Metrics,
    checks: Mapping[str, Check],
    tracing: Tracing = NO_TRACING,
) -> None:
    """Add error handlers, the request middleware and the health routes to an application.

    `checks` may be filled later, by the lifespan: it is read at every request.
    """
    app.middleware("http")(_request_middleware(clock, metrics, tracing))
    app.exception_handler(PenstockError)(_on_penstock_error)
    app.exception_handler(RequestValidationError)(_on_invalid_request)
    app.exception_handler(HTTPException)(_on_http_exception)
    app.exception_handler(Exception)(_on_bug)

    @app.get("/healthz", tags=["health"], operation_id="healthz")
    async def healthz() -> dict[str, str]:
        """Tell that the process lives."""
        return {"status": "ok"}

    @app.get(
        "/readyz",
        tags=["health"],
        operation_id="readyz",
        responses={503: {"description": "A dependency does not answer"}},
    )
    async def readyz() -> JSONResponse:
        """Tell whether every dependency answers, and which does not."""
        failed = await _failed_checks(checks)
        body = {"status": "unready" if failed else "ready", "failed": failed}
        return JSONResponse(body, status_code=503 if failed else 200)

    @app.get("/metrics", tags=["health"], operation_id="metrics", response_class=PlainTextResponse)
    async def render_metrics() -> Response:
        """Show the metrics in Prometheus' text format."""
        return Response(metrics.render(), media_type="text/plain; version=0.0.4")


async def _failed_checks(checks: Mapping[str, Check]) -> dict[str, str]:
    failed = {}
    for name, check in dict(checks).items():
        try:
            await check()
        except PenstockError as error:
            failed[name] = str(error)
    return failed


def error_body(name: str, detail: object) -> dict[str, object]:
    """Write the one shape of an error, with the id of the request under way."""
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    return {"error": name, "detail": detail, "request_id": request_id}


def _request_middleware(
    clock: Clock, metrics: Metrics, tracing: Tracing
) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    async def middleware(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        started = time.monotonic()
        request_id = new_id(clock)
        is_looked_at = request.url.path.startswith(_LOOKS)
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            _span_of(request, tracing) as span,
        ):
            response = await call_next(request)
            response.headers["x-request-id"] = request_id
            if not is_looked_at:
                duration_ms = round((time.monotonic() - started) * 1000, 1)
                route = getattr(request.scope.get("route"), "path", "unknown")
                code = str(response.status_code)
                metrics.count("http_requests", route=route, code=code)
                _describe(span, request.method, route, response.status_code, request_id)
                log.info("request.answered", method=request.method, route=route, code=code,
                         duration_ms=duration_ms)  # fmt: skip
        return response

    return middleware


def _span_of(request: Request, tracing: Tracing) -> Span:
    """Who only looks begins no trace: pages ask again and again, and nothing comes of it."""
    trace = read_traceparent(request.headers.get("traceparent", ""))
    if not trace and request.method in _SAFE_METHODS:
        return UNTRACED
    return tracing.span(request.method, trace, kind="server")


def _describe(span: Span, method: str, route: str, status: int, request_id: str) -> None:
    span.rename(f"{method} {route}")
    span.note(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "penstock.request_id": request_id,
        }
    )
    if status >= 500:
        span.fail(str(status))


async def _on_penstock_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, PenstockError):
        return await _on_bug(_request, error)
    headers = {}
    if isinstance(error, Unavailable):
        headers["retry-after"] = str(max(1, round(error.retry_after_seconds or 1)))
    body = error_body(type(error).__name__, str(error))
    return JSONResponse(body, status_code=status_of(error), headers=headers)


async def _on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    detail = [
        {"path": ".".join(str(part) for part in fault["loc"]), "message": fault["msg"]}
        for fault in faults
    ]
    return JSONResponse(error_body("InvalidInput", detail), status_code=422)


async def _on_http_exception(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        return await _on_bug(_request, error)
    body = error_body(_HTTP_NAMES.get(error.status_code, "HttpError"), error.detail)
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


_HTTP_NAMES = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed"}


async def _on_bug(_request: Request, error: Exception) -> JSONResponse:
    log.error("request.failed", exc_info=error)
    detail = "an internal error; the log has it under this request id"
    return JSONResponse(error_body("InternalError", detail), status_code=500)
