"""Who calls, and what: read from a signed request to any of AWS's protocols."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_plus

import msgspec

from penstock_local.api_calls import rest

_CREDENTIAL = re.compile(rb"Credential=([^/,]+)/[^/,]+/[^/,]+/([^/,]+)/aws4_request")
_FORM = b"application/x-www-form-urlencoded"


class _TableNamed(msgspec.Struct):
    TableName: str = ""


class Parameters(msgspec.Struct, rename={"table_items": "TransactItems"}):
    """What names resources in a JSON body; all else in it is skipped unread."""

    QueueUrl: str = ""
    QueueName: str = ""
    TableName: str = ""
    IndexName: str = ""
    table_items: list[dict[str, _TableNamed]] = []
    RequestItems: dict[str, msgspec.Raw] = {}
    SecretId: str = ""
    stateMachineArn: str = ""  # noqa: N815  # as on the wire
    executionArn: str = ""  # noqa: N815
    roleArn: str = ""  # noqa: N815
    RoleArn: str = ""
    ExecutionRoleArn: str = ""
    TrainingJobName: str = ""
    ModelName: str = ""
    EndpointName: str = ""
    EndpointConfigName: str = ""
    Tags: object = None


@dataclass(frozen=True, slots=True)
class Signed:
    """Whose key signed a request, and for which service."""

    access_key_id: str
    service: str


@dataclass(frozen=True, slots=True)
class Operation:
    """An API operation as its service names it; `service` is the one that it is signed for.

    `words` are parameters that came by a path, a query or a form.
    """

    service: str
    name: str
    parameters: Parameters = field(default_factory=Parameters)
    words: Mapping[str, str] = field(default_factory=dict)


def signed_by(headers: Iterable[tuple[bytes, bytes]]) -> Signed | None:
    """Read the credential of a SigV4 signature; None where there is none."""
    for name, value in headers:
        if name == b"authorization":
            found = _CREDENTIAL.search(value)
            return Signed(found[1].decode(), found[2].decode()) if found else None
    return None


def has_body_to_read(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the body says what is asked: of REST requests, path and headers do."""
    return b"x-amz-target" in headers or _is_form(headers)


def read_operation(
    signed: Signed,
    *,
    method: str,
    path: str,
    query: bytes,
    headers: Mapping[bytes, bytes],
    body: bytes,
) -> Operation | None:
    """What a request asks for; None where that is not to be told."""
    target = headers.get(b"x-amz-target")
    if target is not None:
        name = target.decode(errors="replace").rpartition(".")[2]
        return Operation(signed.service, name, _json_parameters(body))
    if _is_form(headers):
        return _form_operation(signed.service, body)
    return _rest_operation(signed.service, method, path, query, headers)


def _json_parameters(body: bytes) -> Parameters:
    try:
        return msgspec.json.decode(body or b"{}", type=Parameters)
    except msgspec.DecodeError:
        # Who asks nonsense is refused; the operation is what counts.
        return Parameters()


def _form_operation(service: str, body: bytes) -> Operation | None:
    name = _form_field(body, b"Action")
    if not name:
        return None
    words = {word: _form_field(body, word.encode()) for word in ("TopicArn", "Name")}
    return Operation(service, name, words=words)


def _form_field(body: bytes, name: bytes) -> str:
    # Searched for, not parsed: a call may carry 256 KiB of messages.
    found = re.search(rb"(?:^|&)" + name + rb"=([^&]*)", body)
    return unquote_plus(found[1].decode(errors="replace")) if found else ""


def _rest_operation(
    service: str, method: str, path: str, query: bytes, headers: Mapping[bytes, bytes]
) -> Operation | None:
    model = "sagemaker-runtime" if service == "sagemaker" else service
    words = query.decode(errors="replace")
    found = rest.find(model, method, path, words, [name.decode() for name in headers])
    if found is None:
        return None
    name, in_path = found
    return Operation(service, name, words={**dict(parse_qsl(words)), **in_path})


def _is_form(headers: Mapping[bytes, bytes]) -> bool:
    return headers.get(b"content-type", b"").startswith(_FORM)
