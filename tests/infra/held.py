"""Holds what roles may do against what they need, and both against what people have reviewed."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock_local.api_calls.recorder import ApiCall

from tests.infra.grants import Role
from tests.infra.needs import Need, Places

REVIEWED = Path(__file__).parents[2] / "infra" / "reviewed_grants.toml"


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """Something that a role may do, or should be able to do, in words."""

    role: str
    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What people have looked at, each with a reason.

    `unseen` is granted though no run on one machine calls it; `only_local` is called on one
    machine alone.
    """

    unseen: frozenset[Line] = frozenset()
    only_local: frozenset[Line] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that is wrong; nothing where every list is empty."""

    missing: tuple[Line, ...]
    """Called and not granted."""
    unused: tuple[Line, ...]
    """Granted and never called, nor reviewed."""
    too_wide: tuple[Line, ...]
    """What a star in a grant lets happen to a thing that only others call so."""
    stale: tuple[Line, ...]
    """Reviewed, and there no more."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.missing or self.unused or self.too_wide or self.stale)


def read_reviewed(file: Path = REVIEWED) -> Reviewed:
    """Read the list; raise where an entry has no reason."""
    content = tomllib.loads(file.read_text())
    return Reviewed(
        frozenset(_lines(content.get("unseen", []))),
        frozenset(_lines(content.get("only_local", []))),
    )


def hold(
    roles: Mapping[str, Role], calls: Iterable[ApiCall], reviewed: Reviewed, places: Places
) -> Verdict:
    """Compare; `roles` are by the name of the command, or of whoever else makes the calls."""
    calls_by_role: dict[str, list[ApiCall]] = {name: [] for name in roles}
    for call in calls:
        calls_by_role[call.caller].append(call)
    needs = {name: places.needs(mine) for name, mine in calls_by_role.items()}
    everything = {need for one in needs.values() for need in one}
    unmet, unused, wide = set(), set(), set()
    for name, role in roles.items():
        mine = needs[name]
        unmet |= {
            Line(name, need.action, places.short(need.arn, need.list_prefix))
            for need in mine
            if not need.is_met(role.grants)
        }
        for grant in role.grants:
            if not any(need.is_met([grant]) for need in mine):
                unused.add(Line(name, grant.action, places.short(grant.resource)))
            wide |= {
                Line(name, need.action, places.short(need.arn, need.list_prefix))
                for need in everything - mine
                if "*" in grant.resource and need.is_met([grant]) and need.arn not in _arns(mine)
            }
    return Verdict(
        missing=_sorted(unmet - reviewed.only_local),
        unused=_sorted(unused - reviewed.unseen),
        too_wide=_sorted(wide),
        stale=_sorted((reviewed.unseen - unused) | (reviewed.only_local - unmet)),
    )


def _arns(needs: Iterable[Need]) -> set[str]:
    return {need.arn for need in needs}


def _sorted(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(sorted(lines))


def _lines(entries: Iterable[Mapping[str, Any]]) -> Iterator[Line]:
    for entry in entries:
        if not str(entry["reason"]).strip():
            raise ValueError(f"a reviewed entry needs a reason: {entry}")
        for action in entry["actions"]:
            for resource in entry["resources"]:
                for role in entry["roles"]:
                    yield Line(role, action, resource)
