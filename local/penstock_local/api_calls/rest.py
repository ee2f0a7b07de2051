"""Operations of REST services, told by method, path, query and headers as botocore's models say."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import botocore.session

_PARAMETER = re.compile(r"\\\{(\w+)(\\\+)?\\\}")
_SDK_ONLY = "x-id"  # tells SDKs apart what the rest tells anyway


@dataclass(frozen=True, slots=True)
class RestOperation:
    """An operation and what a request must have to mean it."""

    name: str
    method: str
    path: re.Pattern[str]
    query: frozenset[tuple[str, str]]
    needed_query: frozenset[str]
    needed_headers: frozenset[str]

    @property
    def strictness(self) -> int:
        """How much it asks for: of two operations that a request may mean, it means this one."""
        return len(self.query) + len(self.needed_query) + len(self.needed_headers)

    def fits(self, method: str, query: Mapping[str, str], headers: Collection[str]) -> bool:
        """Whether a request has all that this asks for beside its path."""
        return (
            method == self.method
            and self.query <= query.items()
            and self.needed_query <= query.keys()
            and self.needed_headers <= set(headers)
        )


@cache
def operations_of(service: str) -> tuple[RestOperation, ...]:
    """Every operation of a service, the strictest first; reads botocore's model once."""
    model = botocore.session.get_session().get_service_model(service)
    operations = [_operation(model.operation_model(name)) for name in model.operation_names]
    return tuple(sorted(operations, key=lambda operation: -operation.strictness))


def find(
    service: str, method: str, path: str, query: str, headers: Collection[str]
) -> tuple[str, dict[str, str]] | None:
    """Name of the operation that a request means, with the parameters of its path."""
    given = dict(parse_qsl(query, keep_blank_values=True))
    for operation in operations_of(service):
        found = operation.path.fullmatch(path)
        if found is not None and operation.fits(method, given, headers):
            return operation.name, found.groupdict()
    return None


def _operation(model: Any) -> RestOperation:
    path, _, query = model.http["requestUri"].partition("?")
    literals = {pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != _SDK_ONLY}
    return RestOperation(
        name=model.name,
        method=model.http["method"],
        path=re.compile(_PARAMETER.sub(_group, re.escape(path)), re.DOTALL),
        query=frozenset(literals),
        needed_query=_needed(model, "querystring"),
        needed_headers=frozenset(name.lower() for name in _needed(model, "header")),
    )


def _group(parameter: re.Match[str]) -> str:
    takes_slashes = parameter[2] is not None
    return f"(?P<{parameter[1]}>{'.+' if takes_slashes else '[^/]+'})"


def _needed(model: Any, location: str) -> frozenset[str]:
    shape = model.input_shape
    if shape is None:
        return frozenset()
    return frozenset(
        member.serialization["name"]
        for name, member in shape.members.items()
        if name in shape.required_members and member.serialization.get("location") == location
    )
