"""A gateway's own account of what it sent, for whoever checks afterwards what arrived.

One line of JSON per POST: request_id, gateway, attempt, sent_at, answered_at, status, error, answer
and readings, each with tag, value, quality (as sent) and at. A reading has been delivered if any
line with a status of 2xx holds it and the answer does not list it as rejected.
"""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec


class SenderLog:
    """Appends lines to a file, each flushed; without a path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._file = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)

    def write(self, entry: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(msgspec.json.encode(entry) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
