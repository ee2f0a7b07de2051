"""What the roles of a template may do: each action on each resource, one by one."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.infra.arns import Names
from tests.infra.reading import as_list
from tests.infra.synthesis import Synthesized


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """An action on a resource, both perhaps with stars; `conditions` as `operator key` each."""

    action: str
    resource: str
    conditions: tuple[str, ...] = ()
    list_prefixes: tuple[str, ...] = ()
    """Patterns that `s3:prefix` must be like, where the statement asks for it."""

    def allows(self, action: str, resource: str) -> bool:
        """Whether it lets the action happen on the resource, its conditions apart."""
        return matches(self.action.lower(), action.lower()) and matches(self.resource, resource)


@dataclass(frozen=True, slots=True)
class Role:
    """A role with all that it may do."""

    logical_id: str
    trusts: frozenset[str]
    grants: tuple[Grant, ...]
    managed: tuple[str, ...] = ()
    """Policies of AWS's own that are attached, by ARN."""

    @property
    def actions(self) -> list[str]:
        """Every action, each once."""
        return sorted({grant.action for grant in self.grants})


def roles_of(synthesized: Synthesized) -> dict[str, Role]:
    """Every role of both stacks by logical id."""
    names = Names(synthesized)
    attached = _attached_policies(synthesized, names)
    return {
        logical_id: _role(logical_id, resource["Properties"], attached, names)
        for logical_id, resource in synthesized.resources("AWS::IAM::Role").items()
    }


def grants_in(document: Mapping[str, Any], names: Names) -> Iterator[Grant]:
    """Every action on every resource that a policy document allows; it must not refuse any."""
    for statement in as_list(document["Statement"]):
        if statement["Effect"] != "Allow" or {"NotAction", "NotResource"} & statement.keys():
            raise ValueError(f"only plain permissions are understood: {statement}")
        condition = statement.get("Condition", {})
        words = tuple(sorted(f"{how} {key}" for how, keys in condition.items() for key in keys))
        prefixes = condition.get("StringLike", {}).get("s3:prefix", ())
        for action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                texts = tuple(names.text(one) for one in as_list(prefixes or []))
                yield Grant(str(action), names.text(resource), words, texts)


def _role(
    logical_id: str,
    properties: Mapping[str, Any],
    attached: Sequence[tuple[str, Mapping[str, Any]]],
    names: Names,
) -> Role:
    arn = names.arn(logical_id)
    documents = [inline["PolicyDocument"] for inline in properties.get("Policies", [])]
    documents += [document for role, document in attached if role == arn]
    managed = [names.text(one) for one in properties.get("ManagedPolicyArns", [])]
    trusted = [
        names.text(service)
        for statement in as_list(properties["AssumeRolePolicyDocument"]["Statement"])
        for service in as_list(statement["Principal"].get("Service", []))
    ]
    return Role(
        logical_id=logical_id,
        trusts=frozenset(trusted),
        grants=tuple(sorted({grant for one in documents for grant in grants_in(one, names)})),
        managed=tuple(managed),
    )


def _attached_policies(
    synthesized: Synthesized, names: Names
) -> list[tuple[str, Mapping[str, Any]]]:
    """ARN of the role, and document, of every policy that is a resource of its own."""
    arn_by_name = {
        names.text({"Ref": logical_id}): names.arn(logical_id)
        for logical_id in synthesized.resources("AWS::IAM::Role")
    }
    return [
        (arn_by_name[names.text(role)], resource["Properties"]["PolicyDocument"])
        for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")
        for resource in synthesized.resources(kind).values()
        for role in resource["Properties"].get("Roles", [])
    ]


def trusting(roles: Iterable[Role], service: str) -> list[Role]:
    """Roles that a service of AWS may act in."""
    return [role for role in roles if service in role.trusts]


def matches(pattern: str, text: str) -> bool:
    """Whether a text is like a pattern of IAM."""
    return _compiled(pattern).fullmatch(text) is not None


@cache
def overlap(one: str, other: str) -> bool:
    """Whether any text is like both patterns, whose stars are any text."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == "*":
        return overlap(other, one)
    return one[0] == other[0] and overlap(one[1:], other[1:])


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # IAM's wildcards: a star is any text, slashes and colons included; nothing else is special.
    words = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(words, re.DOTALL)
