"""model.tar.gz: equal files give equal bytes when packed, and none escapes when unpacked."""

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path

_EXECUTABLE = 0o111


class BadArchiveError(Exception):
    """What was uploaded as a model is no archive, or one that would write elsewhere."""


def pack(directory: Path, archive: Path) -> None:
    """Pack a folder's contents, names sorted, times and owners zeroed."""
    paths = sorted(directory.rglob("*"), key=lambda path: path.relative_to(directory).as_posix())
    with (
        archive.open("wb") as raw,
        # The gzip header has a name and a time of its own.
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in paths:
            _add(tar, path, path.relative_to(directory).as_posix())


def unpack(archive: Path, directory: Path) -> None:
    """Unpack into a folder that appears only when it is complete, also after a crash in between."""
    partial = directory.with_name(f"{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with tarfile.open(archive, mode="r:*") as tar:
            tar.extractall(partial, filter="data")
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise BadArchiveError(f"{archive.name} cannot be unpacked: {error}") from error
    partial.replace(directory)


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    info = tar.gettarinfo(path, arcname=name)
    if info is None:  # a socket: nothing that a model could need
        return
    info.mtime = 0
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    # Only whether a file can be run is part of the model; the rest is the umask of the day.
    executable = info.isdir() or info.mode & _EXECUTABLE
    info.mode = 0o755 if executable else 0o644
    if not info.isreg():
        tar.addfile(info)
        return
    with path.open("rb") as content:
        tar.addfile(info, content)
