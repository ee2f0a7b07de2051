"""Keeps which command made which API calls, while a stand-in answers them.

What counts is who signed: each part of the embedded stack has an access key of its own. Calls that
a stand-in makes within itself (Step Functions to SQS and DynamoDB, SNS to SQS) pass by here
unseen; they belong to the state machine's role and to queue policies.
"""

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import msgspec
from penstock.resources import COMMANDS

from penstock_local.api_calls.permissions import (
    Names,
    Permission,
    permissions_for,
    to_find_nothing,
)
from penstock_local.api_calls.request import Operation
from penstock_local.environment import SAGEMAKER_ROLE

FILE = "api-calls.jsonl"
CALLERS = frozenset({*(command.name for command in COMMANDS), SAGEMAKER_ROLE})
"""Access keys whose calls are kept: people, tests and the bootstrap sign with others."""
MOST_CALLS = 5_000
"""Far above what Penstock makes: names are kept without what users put into them."""


class ApiCall(msgspec.Struct, frozen=True, order=True):
    """One kind of call, however often it was made."""

    caller: str
    action: str
    resource: str


def read_calls(file: Path) -> set[ApiCall]:
    """Every call in a recorder's file, none where there is none; a torn last line is left out."""
    if not file.exists():
        return set()
    lines = _whole_lines(file).splitlines()
    return {msgspec.json.decode(line, type=ApiCall) for line in lines}


class Recorder:
    """Appends each new call to a file at once, so that a kill loses none."""

    def __init__(self, file: Path, *, prefix: str, callers: Collection[str] = CALLERS) -> None:
        """Go on with what the file holds, without a line that a kill has torn."""
        self._file = file
        self._names = Names(prefix)
        self._callers = callers
        self._known = read_calls(file)
        if file.exists():
            os.truncate(file, len(_whole_lines(file)))

    def wants(self, caller: str) -> bool:
        """Whether calls by this caller are kept."""
        return caller in self._callers

    def note(self, caller: str, operation: Operation) -> None:
        """Keep what the operation needs."""
        self._keep(caller, permissions_for(operation, self._names))

    def note_missing(self, caller: str, operation: Operation) -> None:
        """Keep what the caller needs to be told that something is not there."""
        needed = to_find_nothing(operation, self._names)
        if needed is not None:
            self._keep(caller, [needed])

    def _keep(self, caller: str, permissions: Collection[Permission]) -> None:
        calls = {ApiCall(caller, one.action, one.resource) for one in permissions}
        new = sorted(calls - self._known)
        if not new or len(self._known) + len(new) > MOST_CALLS:
            return
        # A full disk must not change what the stand-in answers; the next such call tries again.
        with suppress(OSError):
            with self._file.open("ab") as file:
                file.write(b"".join(msgspec.json.encode(call) + b"\n" for call in new))
            self._known.update(new)


def _whole_lines(file: Path) -> bytes:
    content = file.read_bytes()
    return content[: content.rfind(b"\n") + 1]
