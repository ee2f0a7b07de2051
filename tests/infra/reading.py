"""Reads templates: names and statements as they will be, whatever function joins them."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.infra.synthesis import Synthesized


def as_text(value: Any) -> str:
    """Flatten an intrinsic to text: references become `<LogicalId>`, joins are joined."""
    match value:
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(as_text(part) for part in parts)
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::ImportValue": name}:
            return f"<{as_text(name)}>"
        case {"Fn::Sub": text}:
            return str(text)
        case _:
            return str(value)


def as_list(value: Any) -> list[Any]:
    """One or many, as many."""
    return list(value) if isinstance(value, list) else [value]


def statements_of(policy: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Statements of a policy document."""
    yield from as_list(policy["Statement"])


def all_policies(synthesized: Synthesized) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Logical id and document of every policy that lets identities do things."""
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        for logical_id, resource in synthesized.resources(kind).items():
            yield logical_id, resource["Properties"]["PolicyDocument"]
    for logical_id, resource in synthesized.resources("AWS::IAM::Role").items():
        for inline in resource["Properties"].get("Policies", []):
            yield logical_id, inline["PolicyDocument"]
