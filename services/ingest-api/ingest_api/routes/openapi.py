"""The OpenAPI entries of the door, which FastAPI does not see."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI

from ingest_api.payload_format import PayloadFormat
from ingest_api.reasons import ADVICE
from ingest_api.routes.readings import CHECK, PING, READINGS, ROUTES

_KEY: list[dict[str, list[str]]] = [
    {"gatewayKey": []},
    {"gatewayKeyHeader": []},
    {"gatewayKeyBasic": []},
]
_SCHEMES = {
    "gatewayKey": {"type": "http", "scheme": "bearer", "description": "`psk_<gateway>_<secret>`"},
    "gatewayKeyHeader": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "gatewayKeyBasic": {"type": "http", "scheme": "basic", "description": "user or password"},
}
_ERROR = {
    "type": "object",
    "required": ["error", "detail", "request_id"],
    "properties": {
        "error": {"type": "string"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
    },
}
_SUMMARY = {
    "accepted": {"type": "integer", "minimum": 0},
    "rejected_count": {"type": "integer", "minimum": 0},
    "by_reason": {"type": "object", "additionalProperties": {"type": "integer"}},
    "rejected": {
        "type": "array",
        "maxItems": 20,
        "items": {
            "type": "object",
            "required": ["index", "reason"],
            "properties": {
                "index": {"type": "integer"},
                "reason": {
                    "type": "string",
                    "enum": [str(reason) for reason in ADVICE],
                    "description": "; ".join(f"`{r}`: {advice}" for r, advice in ADVICE.items()),
                },
            },
        },
    },
    "request_id": {"type": "string"},
}
_ACCEPTED = {"type": "object", "required": list(_SUMMARY), "properties": _SUMMARY}
_CHECKED = {
    "type": "object",
    "required": [*_SUMMARY, "formats", "readings", "sequences", "advice"],
    "properties": {
        **_SUMMARY,
        "formats": {"type": "array", "items": {"type": "string"}},
        "readings": {"type": "array", "maxItems": 20, "items": {"type": "object"}},
        "sequences": {"type": "array", "maxItems": 20, "items": {"type": "object"}},
        "advice": {"type": "object", "additionalProperties": {"type": "string"}},
        "superseded": {"type": "integer"},
        "unknown_qualities": {"type": "integer"},
    },
}
_GATEWAY = {
    "type": "object",
    "required": ["gateway_id", "key_id", "now", "request_id"],
    "properties": {
        "gateway_id": {"type": "string"},
        "key_id": {"type": "string"},
        "key_expires_at": {"type": ["string", "null"], "format": "date-time"},
        "now": {"type": "string", "format": "date-time"},
        "request_id": {"type": "string"},
    },
}
_REFUSALS = {
    "400": "not JSON, or of no known shape; the body is kept in quarantine",
    "401": "no key, or a wrong one",
    "403": "the gateway is disabled, or may name none of what it sent",
    "405": "another method",
    "408": "the body did not arrive in time",
    "413": "more than 5 MB, 20 MB when opened, or 10,000 items",
    "415": "an encoding other than gzip",
    "429": "over the gateway's quota",
    "503": "not durable in time: send the whole body again, repeats are harmless",
}
_WAITS = {"retry-after": {"schema": {"type": "integer", "minimum": 1}}}


def describe(app: FastAPI, formats: Iterable[PayloadFormat]) -> None:
    """Add the door's routes to the application's OpenAPI document."""
    of_fastapi = app.openapi
    body = _request_body(formats)

    def openapi() -> dict[str, Any]:
        document = of_fastapi()
        document["paths"].update(
            {
                READINGS: _path(READINGS, "Take readings in", _ACCEPTED, body),
                CHECK: _path(CHECK, "Judge readings without taking them in", _CHECKED, body),
                PING: _path(PING, "Prove a key", _GATEWAY, None),
            }
        )
        document.setdefault("components", {}).setdefault("securitySchemes", {}).update(_SCHEMES)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _request_body(formats: Iterable[PayloadFormat]) -> dict[str, Any]:
    examples = {
        format_.name: {"summary": f"format {format_.name}", "value": format_.samples[0].body}
        for format_ in formats
    }
    content = {"schema": {}, "examples": examples}
    return {"required": True, "content": {"application/json": content, "text/plain": content}}


def _path(path: str, summary: str, answer: dict[str, Any], body: object | None) -> dict[str, Any]:
    methods, _ = ROUTES[path]
    operations = {}
    for method in methods:
        name = path.removeprefix("/v1/").replace("/", "_")
        operation: dict[str, Any] = {
            "tags": ["gateways"],
            "operationId": f"{method.lower()}_{name}",
            "summary": summary,
            "security": _KEY,
            "responses": {"200": _response("done", answer), **_refusals()},
        }
        if body is not None:
            operation["requestBody"] = body
        operations[method.lower()] = operation
    return operations


def _refusals() -> dict[str, Any]:
    refusals = {code: _response(why, _ERROR) for code, why in _REFUSALS.items()}
    for code in ("429", "503"):
        refusals[code]["headers"] = _WAITS
    return refusals


def _response(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
