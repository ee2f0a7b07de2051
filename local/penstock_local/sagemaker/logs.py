"""Where programs write, and how that is read back."""

import os
from dataclasses import dataclass
from pathlib import Path

_LAST_BYTES = 2048
_LAST_LINES = 3


@dataclass(frozen=True, slots=True)
class LogPart:
    content: bytes
    next_offset: int


class Logs:
    """One file per training job, one per variant of an endpoint."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def for_job(self, name: str) -> Path:
        return self._root / f"{name}.log"

    def for_variant(self, endpoint: str, variant: str) -> Path:
        folder = self._root / "endpoints" / endpoint
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{variant}.log"

    def read(self, path: Path, *, offset: int, at_most: int) -> LogPart:
        """Read on from an offset, so that a growing log can be followed; none yet is empty."""
        try:
            with path.open("rb") as file:
                file.seek(offset)
                content = file.read(at_most)
        except FileNotFoundError:
            content = b""
        return LogPart(content, offset + len(content))

    def size(self, path: Path) -> int:
        return path.stat().st_size if path.exists() else 0

    def last_words(self, path: Path, *, since: int = 0) -> str:
        """Return the last lines after an offset, for a reason that would else be empty."""
        try:
            with path.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(since, file.tell() - _LAST_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        return " | ".join(line.strip() for line in lines[-_LAST_LINES:])
