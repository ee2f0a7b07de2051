"""The viewer's routes: spans come in, pages and JSON go out."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web

from penstock_local.observing.looking import SERIES, keep_looking
from penstock_local.observing.otlp import NotSpans, TooLarge, opened, spans_in
from penstock_local.observing.pages import Pages
from penstock_local.observing.records import SpanRecord, Trace
from penstock_local.observing.series import Series
from penstock_local.observing.store import TraceStore, Wanted
from penstock_local.observing.waterfall import rows_of

_MOST_BYTES = 16 * 1024 * 1024
_STOP_SECONDS = 1.0
_PROTOBUF = "application/x-protobuf"
_STORE = web.AppKey("store", TraceStore)
_PAGES = web.AppKey("pages", Pages)


def create_app(services: Mapping[str, str], store: TraceStore | None = None) -> web.Application:
    """Build the viewer over the base URLs of the services whose metrics it shows."""
    app = web.Application(client_max_size=_MOST_BYTES)
    app[_STORE] = store or TraceStore()
    app[_PAGES] = Pages()
    app[SERIES] = {name: Series() for name in services}
    app.cleanup_ctx.append(partial(keep_looking, urls=services))
    app.router.add_get("/healthz", _healthz)
    app.router.add_post("/v1/traces", _take)
    app.router.add_get("/", _list)
    app.router.add_get("/find", _find)
    app.router.add_get("/traces/{trace_id}", _trace)
    app.router.add_get("/services", _services)
    app.router.add_get("/api/traces", _list_json)
    app.router.add_get("/api/find", _find_json)
    app.router.add_get("/api/traces/{trace_id}", _trace_json)
    return app


def runner_of(app: web.Application) -> web.AppRunner:
    """What serves it: bodies are opened here, within bounds, not on the way."""
    return web.AppRunner(
        app, access_log=None, auto_decompress=False, shutdown_timeout=_STOP_SECONDS
    )


async def _healthz(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _take(request: web.Request) -> web.Response:
    if request.content_type != _PROTOBUF:
        return web.json_response({"error": f"spans come as {_PROTOBUF}"}, status=415)
    encoding = request.headers.get("content-encoding", "identity")
    try:
        request.app[_STORE].add(spans_in(opened(await request.read(), encoding)))
    except TooLarge as error:
        return web.json_response({"error": str(error)}, status=413)
    except NotSpans as error:
        return web.json_response({"error": str(error)}, status=400)
    return web.Response(body=b"", content_type=_PROTOBUF)  # an ExportTraceServiceResponse


def _wanted(request: web.Request) -> Wanted:
    at_least = request.query.get("at_least_ms", "")
    return Wanted(
        service=request.query.get("service", ""),
        text=request.query.get("text", ""),
        failed=request.query.get("failed", "") not in {"", "0"},
        at_least_ms=float(at_least) if at_least.replace(".", "", 1).isdigit() else 0.0,
    )


async def _list(request: web.Request) -> web.Response:
    store, wanted = request.app[_STORE], _wanted(request)
    refresh = request.query.get("refresh", "") == "1"
    return _html(request.app[_PAGES].traces(store, wanted, refresh=refresh))


async def _find(request: web.Request) -> web.Response:
    text = request.query.get("text", "")
    found = request.app[_STORE].find(text)
    if found is None:
        return _html(request.app[_PAGES].not_found(text), status=404)
    raise web.HTTPSeeOther(f"/traces/{found.trace_id}")


async def _trace(request: web.Request) -> web.Response:
    store, trace_id = request.app[_STORE], request.match_info["trace_id"]
    trace = store.get(trace_id)
    if trace is None:
        return _html(request.app[_PAGES].not_found(trace_id), status=404)
    return _html(request.app[_PAGES].trace(trace, store.linking_to(trace_id)))


async def _services(request: web.Request) -> web.Response:
    return _html(request.app[_PAGES].services(request.app[SERIES], now=time.time()))


async def _list_json(request: web.Request) -> web.Response:
    traces = request.app[_STORE].recent(_wanted(request))
    return web.json_response({"traces": [_summary(trace) for trace in traces]})


async def _find_json(request: web.Request) -> web.Response:
    return _whole(request.app[_STORE].find(request.query.get("text", "")))


async def _trace_json(request: web.Request) -> web.Response:
    return _whole(request.app[_STORE].get(request.match_info["trace_id"]))


def _whole(trace: Trace | None) -> web.Response:
    if trace is None:
        return web.json_response({"error": "no such trace is kept"}, status=404)
    spans = [{**_span(row.span), "depth": row.depth, "waited_ms": row.waited_ms}
             for row in rows_of(trace)]  # fmt: skip
    return web.json_response({**_summary(trace), "spans": spans})


def _summary(trace: Trace) -> dict[str, Any]:
    return {
        "trace_id": trace.trace_id,
        "name": trace.title,
        "started_at": trace.started_at,
        "duration_ms": trace.duration_ms,
        "services": trace.services,
        "span_count": len(trace.spans),
        "left_out": trace.left_out,
        "errors": trace.errors,
    }


def _span(span: SpanRecord) -> dict[str, Any]:
    return {
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "service": span.service,
        "name": span.name,
        "kind": span.kind,
        "started_at": span.started_at,
        "duration_ms": span.duration_ms,
        "attributes": dict(span.attributes),
        "links": [{"trace_id": link.trace_id, "span_id": link.span_id} for link in span.links],
        "error": span.error,
    }


def _html(text: str, *, status: int = 200) -> web.Response:
    # Nothing from elsewhere, and no script at all: names of spans come from outside.
    policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"
    headers = {"content-security-policy": policy}
    return web.Response(text=text, content_type="text/html", status=status, headers=headers)
