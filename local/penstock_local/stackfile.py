"""`stack.json` in the state directory: where everything is, for `status`, `down` and other tools.

Written anew and renamed into place at every change, so a reader never sees half of it.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock_local.identity import Identity
from penstock_local.running import RunningPart, State

NAME = "stack.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartEntry:
    """One part as it was when the file was written."""

    name: str
    state: State
    endpoint: str
    port: int | None
    identity: Identity | None
    restarts: int
    note: str
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFile:
    """The content; `environment` lets another program be a client of this stack."""

    supervisor: Identity
    is_ready: bool
    environment: Mapping[str, str]
    parts: tuple[PartEntry, ...]

    @property
    def processes(self) -> list[Identity]:
        """Every process of the stack but the supervisor."""
        return [part.identity for part in self.parts if part.identity is not None]

    def part(self, name: str) -> PartEntry:
        """Return the part of that name."""
        return next(part for part in self.parts if part.name == name)


def entries(parts: Iterable[RunningPart]) -> tuple[PartEntry, ...]:
    """Return what there is to say of running parts now."""
    return tuple(
        PartEntry(
            name=each.part.name,
            state=each.status.state,
            endpoint=each.part.endpoint,
            port=each.part.port,
            identity=each.status.identity,
            restarts=each.status.restarts,
            note=each.status.note,
            log=str(each.log),
        )
        for each in parts
    )


def write(state_dir: Path, content: StackFile) -> None:
    """Replace the file."""
    path = state_dir / NAME
    part = path.with_suffix(".part")
    part.write_text(json.dumps(to_json(content), indent=2) + "\n")
    part.replace(path)


def read(state_dir: Path) -> StackFile | None:
    """Read the file; None where there is none."""
    try:
        content = json.loads((state_dir / NAME).read_text())
    except FileNotFoundError:
        return None
    return StackFile(
        supervisor=Identity(**content["supervisor"]),
        is_ready=content["ready"],
        environment=content["environment"],
        parts=tuple(_part(name, entry) for name, entry in content["parts"].items()),
    )


def remove(state_dir: Path) -> None:
    """Say that nothing runs any more; only the supervisor that wrote the file does this."""
    found = read(state_dir)
    if found is not None and found.supervisor.pid == os.getpid():
        (state_dir / NAME).unlink(missing_ok=True)


def to_json(content: StackFile) -> dict[str, Any]:
    """The file's content as plain data."""
    return {
        "ready": content.is_ready,
        "supervisor": _identity(content.supervisor),
        "environment": dict(content.environment),
        "parts": {
            part.name: {
                "state": part.state.value,
                "endpoint": part.endpoint,
                "port": part.port,
                "process": _identity(part.identity),
                "restarts": part.restarts,
                "note": part.note,
                "log": part.log,
            }
            for part in content.parts
        },
    }


def _part(name: str, entry: Mapping[str, Any]) -> PartEntry:
    process = entry["process"]
    return PartEntry(
        name=name,
        state=State(entry["state"]),
        endpoint=entry["endpoint"],
        port=entry["port"],
        identity=Identity(**process) if process else None,
        restarts=entry["restarts"],
        note=entry["note"],
        log=entry["log"],
    )


def _identity(identity: Identity | None) -> dict[str, float] | None:
    return {"pid": identity.pid, "began_at": identity.began_at} if identity else None
