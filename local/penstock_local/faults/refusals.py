"""Refusals in the words of the service that is called, told by how it was called."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from penstock_local.faults.rules import Fault, RequestFacts

REQUEST_ID = "00000000-0000-4000-8000-000000000000"


class Dialect(Enum):
    """How a service words an error."""

    PLAIN = "plain"  # any HTTP API
    AWS_JSON = "aws-json"  # most of AWS
    AWS_QUERY = "aws-query"  # SNS and the other form APIs
    S3 = "s3"


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    headers: dict[str, str]
    body: bytes


# Of a signature version 4: Credential=<key>/<date>/<region>/<service>/aws4_request
_SIGNED_FOR = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")

_THROTTLED = {
    Dialect.PLAIN: (429, "TooManyRequests"),
    Dialect.AWS_JSON: (400, "ThrottlingException"),
    Dialect.AWS_QUERY: (400, "Throttling"),
    Dialect.S3: (503, "SlowDown"),
}
_FAILED = {
    Dialect.PLAIN: (500, "InternalError"),
    Dialect.AWS_JSON: (500, "InternalFailure"),
    Dialect.AWS_QUERY: (500, "InternalFailure"),
    Dialect.S3: (500, "InternalError"),
}


def describe_request(
    method: str, path: str, headers: Mapping[str, str], body: bytes
) -> RequestFacts:
    return RequestFacts(method=method.upper(), path=path, action=_action(headers, body))


def _action(headers: Mapping[str, str], body: bytes) -> str:
    if target := headers.get("X-Amz-Target"):
        return target
    if _is_form(headers):
        return parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
    return ""


def _is_form(headers: Mapping[str, str]) -> bool:
    return headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")


def recognise_dialect(headers: Mapping[str, str], body: bytes) -> Dialect:
    """Tell the dialect from the AWS headers of a request; without any it is a plain HTTP API."""
    signed_for = _SIGNED_FOR.search(headers.get("Authorization", ""))
    if signed_for and signed_for[1] == "s3":
        return Dialect.S3
    if _is_form(headers) and _action(headers, body):
        return Dialect.AWS_QUERY
    if signed_for or "X-Amz-Target" in headers:
        return Dialect.AWS_JSON
    return Dialect.PLAIN


def refuse(fault: Fault, dialect: Dialect) -> Refusal:
    """Word a `throttle` or an `error`; the fault's own status and code win over the usual ones."""
    usual = _THROTTLED if fault.kind == "throttle" else _FAILED
    status, code = usual[dialect]
    status, code = fault.status or status, fault.code or code
    message = "Rate exceeded" if fault.kind == "throttle" else "We failed, please try again"
    headers = {"x-amzn-RequestId": REQUEST_ID, "Content-Type": "application/json"}
    retry_after = fault.retry_after
    if retry_after is None and status in (429, 503):
        retry_after = 1
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    match dialect:
        case Dialect.PLAIN:
            body = json.dumps({"error": code, "detail": message})
        case Dialect.AWS_JSON:
            headers |= {"x-amzn-ErrorType": code, "Content-Type": "application/x-amz-json-1.1"}
            body = json.dumps({"__type": code, "message": message})
        case Dialect.AWS_QUERY | Dialect.S3:
            headers["Content-Type"] = "text/xml"
            body = _as_xml(dialect, code, message)
    return Refusal(status, headers, body.encode())


def _as_xml(dialect: Dialect, code: str, message: str) -> str:
    error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if dialect is Dialect.S3:
        return f"<Error>{error}<RequestId>{REQUEST_ID}</RequestId></Error>"
    return (
        f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error>"
        f"<RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
    )
