"""Spans as OTLP over HTTP brings them (opentelemetry.io/docs/specs/otlp), in protobuf. All pure."""

import zlib
from collections.abc import Iterable, Iterator

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from penstock_local.observing.records import Link, SpanRecord

_MOST_BYTES = 32 * 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS
_TEXT_CHARACTERS = 1_000
_NO_SERVICE = "unknown"


class NotSpans(ValueError):
    """A body is no request of OTLP."""


class TooLarge(NotSpans):
    """A body opens to more than anybody sends at once."""


def opened(body: bytes, encoding: str) -> bytes:
    """Open a body, no further than is allowed; raise NotSpans or TooLarge."""
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise NotSpans(f"a body in {encoding} cannot be read: use gzip")
    opening = zlib.decompressobj(_GZIP)
    try:
        content = opening.decompress(body, _MOST_BYTES)
    except zlib.error as error:
        raise NotSpans("the body is not in gzip, as it says") from error
    if opening.unconsumed_tail:
        raise TooLarge(f"the body opens to more than {_MOST_BYTES >> 20} MiB")
    if not opening.eof:
        raise NotSpans("the body ends too early")
    return content


def spans_in(body: bytes) -> list[SpanRecord]:
    """Read the spans of one request; raise NotSpans."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise NotSpans("the body is no ExportTraceServiceRequest") from error
    return list(_spans(request))


def _spans(request: ExportTraceServiceRequest) -> Iterator[SpanRecord]:
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        service = resource.get("service.name", _NO_SERVICE)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                if len(span.trace_id) == 16 and len(span.span_id) == 8:
                    yield _record(span, service)


def _record(span: Span, service: str) -> SpanRecord:
    failed = span.status.code == Status.STATUS_CODE_ERROR
    return SpanRecord(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        service=service,
        name=span.name[:_TEXT_CHARACTERS],
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        started_at=span.start_time_unix_nano,
        ended_at=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        links=tuple(Link(link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        error=(span.status.message or "failed")[:_TEXT_CHARACTERS] if failed else None,
    )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, str]:
    return {pair.key[:_TEXT_CHARACTERS]: _text(pair.value) for pair in pairs}


def _text(value: AnyValue) -> str:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return ", ".join(_text(one) for one in value.array_value.values)[:_TEXT_CHARACTERS]
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    return str(getattr(value, kind) if kind else "")[:_TEXT_CHARACTERS]
