"""The committed list of calls, `infra/recorded_calls.json`, and what a run of tests makes of it.

A run of tests/e2e makes no call that is not in the file, and should make each under `always`. Calls
under `seldom` depend on who is faster or on what breaks: a run may make them or not, and each says
when it is made.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from penstock_local.api_calls.recorder import ApiCall

COMMITTED = Path(__file__).parents[3] / "infra" / "recorded_calls.json"
_Grouped: TypeAlias = dict[str, dict[str, list[str]]]


class Seldom(msgspec.Struct, frozen=True):
    """Calls that a run may make; `when` tells a reader what must happen for it."""

    caller: str
    action: str
    resources: tuple[str, ...]
    when: str

    @property
    def calls(self) -> frozenset[ApiCall]:
        """One by one."""
        return frozenset(ApiCall(self.caller, self.action, one) for one in self.resources)


class Committed(msgspec.Struct, frozen=True):
    """The file's content."""

    always: frozenset[ApiCall] = frozenset()
    seldom: tuple[Seldom, ...] = ()

    @property
    def seldom_calls(self) -> frozenset[ApiCall]:
        """Every call that a run may make."""
        return frozenset(call for one in self.seldom for call in one.calls)

    @property
    def calls(self) -> frozenset[ApiCall]:
        """Every call that Penstock is known to make."""
        return self.always | self.seldom_calls

    def unknown(self, seen: Iterable[ApiCall]) -> list[ApiCall]:
        """Return what was made and is not in the file."""
        return sorted(set(seen) - self.calls)

    def unmade(self, seen: Iterable[ApiCall]) -> list[ApiCall]:
        """Return what a complete run should have made and did not."""
        return sorted(self.always - set(seen))

    def refreshed(self, seen: Iterable[ApiCall]) -> "Committed":
        """Take what a complete run made for all that is always made."""
        return Committed(frozenset(seen) - self.seldom_calls, self.seldom)


class _File(msgspec.Struct):
    always: _Grouped = {}
    seldom: list[Seldom] = []


def read_committed(file: Path = COMMITTED) -> Committed:
    """Read the file; empty where there is none."""
    if not file.exists():
        return Committed()
    content = msgspec.json.decode(file.read_bytes(), type=_File)
    return Committed(_flat(content.always), tuple(content.seldom))


def write_committed(committed: Committed, file: Path = COMMITTED) -> None:
    """Write the file, sorted, so that a diff shows calls."""
    seldom = sorted(committed.seldom, key=lambda one: (one.caller, one.action, one.resources))
    content = _File(_grouped(committed.always), seldom)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")


def in_words(calls: Sequence[ApiCall]) -> str:
    """One line a call."""
    return "\n".join(f"  {call.caller}: {call.action} on {call.resource}" for call in calls)


def _flat(grouped: _Grouped) -> frozenset[ApiCall]:
    return frozenset(
        ApiCall(caller, action, resource)
        for caller, actions in grouped.items()
        for action, resources in actions.items()
        for resource in resources
    )


def _grouped(calls: Iterable[ApiCall]) -> _Grouped:
    grouped: _Grouped = {}
    for call in sorted(calls):
        grouped.setdefault(call.caller, {}).setdefault(call.action, []).append(call.resource)
    return grouped
