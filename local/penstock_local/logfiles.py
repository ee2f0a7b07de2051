"""Log files of the parts, kept from growing without end.

A part writes into its file itself, so what it says while it ends is kept even when the supervisor
was killed. A full file is therefore copied and emptied rather than renamed; a line written in the
moment between the two is lost.
"""

import shutil
from pathlib import Path

LIMIT_BYTES = 10 * 1024 * 1024
KEPT = 3


def rotate_if_full(path: Path, *, limit_bytes: int = LIMIT_BYTES, kept: int = KEPT) -> bool:
    """Move the content of a full log to `<name>.1`, and older ones up to `<name>.<kept>`."""
    if not path.exists() or path.stat().st_size < limit_bytes:
        return False
    for number in range(kept - 1, 0, -1):
        older = _numbered(path, number)
        if older.exists():
            older.replace(_numbered(path, number + 1))
    shutil.copyfile(path, _numbered(path, 1))
    with path.open("r+b") as log:
        log.truncate(0)
    return True


def last_lines(path: Path, count: int = 20) -> str:
    """The end of a log, for people who want to know why."""
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - 200 * count))
        return "\n".join(log.read().decode(errors="replace").splitlines()[-count:])


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
