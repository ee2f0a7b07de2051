"""Give each container process an `/opt/ml` of its own, or say that this machine cannot.

A private mount namespace in which the container's folder is mounted on /opt/ml; where the parent
lacks it, an overlay adds the mount point, so the host is untouched. Needs Linux and root or user
namespaces. Elsewhere programs are told their folder by SAGEMAKER_BASE_DIR and SM_MODEL_DIR.
"""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Mode = Literal["namespace", "directory"]

ML = Path("/opt/ml")

# $1 the container's folder, $2 scratch for the overlay; the rest is the command.
_ENTER = """
ml=$1; scratch=$2; shift 2
if [ ! -d /opt/ml ]; then
  up=$scratch/up; work=$scratch/work; mkdir -p "$up" "$work" || exit 125
  mount -t overlay overlay -o "lowerdir=/opt,upperdir=$up,workdir=$work" /opt || exit 125
  mkdir -p /opt/ml || exit 125
fi
mount --bind "$ml" /opt/ml || exit 125
exec "$@"
"""
# As root, then as anybody.
_UNSHARE = (("unshare", "-m"), ("unshare", "-Urm"))


class IsolationError(Exception):
    """The isolation that was asked for does not work here."""


@dataclass(frozen=True, slots=True)
class Isolation:
    mode: Mode
    unshare: tuple[str, ...] = ()
    death_signal: tuple[str, ...] = ()

    def base_dir(self, ml: Path) -> Path:
        """Return the path at which the program sees its folder."""
        return ML if self.mode == "namespace" else ml

    def wrap(self, argv: Sequence[str], *, ml: Path, scratch: Path) -> list[str]:
        """Put the command into its namespace.

        The death signal is asked for last: entering a user namespace would clear it.
        """
        command = [*self.death_signal, *argv]
        if self.mode == "directory":
            return command
        enter = [*self.unshare, "--", "/bin/sh", "-c", _ENTER, "container"]
        return [*enter, str(ml), str(scratch), *command]


def detect_isolation(wanted: Literal["auto", "namespace", "directory"], root: Path) -> Isolation:
    """Try once what this machine can do, in the folder where it will be needed."""
    death_signal = _working_death_signal()
    if wanted != "directory":
        for unshare in _UNSHARE:
            isolation = Isolation("namespace", unshare, death_signal)
            if _works(isolation, root):
                return isolation
    if wanted == "namespace":
        raise IsolationError("this machine has no private mount namespaces; try isolation=auto")
    return Isolation("directory", death_signal=death_signal)


def _works(isolation: Isolation, root: Path) -> bool:
    if shutil.which(isolation.unshare[0]) is None:
        return False
    root.mkdir(parents=True, exist_ok=True)
    probe = Path(tempfile.mkdtemp(prefix="probe-", dir=root))
    try:
        ml = probe / "ml"
        ml.mkdir()
        command = ["/bin/sh", "-c", "echo seen > /opt/ml/probe"]
        return (
            _succeeds(isolation.wrap(command, ml=ml, scratch=probe / "scratch"))
            and (ml / "probe").exists()
        )
    finally:
        remove_scratch(probe / "scratch")
        shutil.rmtree(probe, ignore_errors=True)


def remove_scratch(scratch: Path) -> None:
    """Remove what an overlay leaves: among it a folder that not even its owner may list."""
    with contextlib.suppress(OSError):
        (scratch / "work" / "work").chmod(0o700)
    shutil.rmtree(scratch, ignore_errors=True)


def _working_death_signal() -> tuple[str, ...]:
    command = ("setpriv", "--pdeathsig", "KILL", "--")
    return command if shutil.which("setpriv") and _succeeds([*command, "true"]) else ()


def _succeeds(command: Sequence[str]) -> bool:
    # Fixed words of this module, never a request's.
    done = subprocess.run(command, capture_output=True, timeout=20, check=False)  # noqa: S603
    return done.returncode == 0
