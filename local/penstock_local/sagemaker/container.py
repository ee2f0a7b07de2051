"""A container process: started under the contract, stopped by SIGTERM and then SIGKILL."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from penstock_local.sagemaker.isolation import Isolation, remove_scratch
from penstock_local.sagemaker.orphans import MARKER

log = structlog.get_logger(__name__)

# What programs need from this process's environment; the rest is none of their business.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
_DEFAULTS = {
    "PYTHONUNBUFFERED": "1",
    # XGBoost with two spinning threads on two busy cores takes ten times as long as with one.
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}
_SIGNAL_BASE = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """`ml` is the folder that the program sees as /opt/ml; output is appended to `log_path`."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    ml: Path
    log_path: Path


class Container:
    """A running container process with its process group."""

    def __init__(self, process: asyncio.subprocess.Process, scratch: Path) -> None:
        self._process = process
        self._scratch = scratch
        self._is_cleared = False

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> int:
        """Return the exit code as a container has it: 137 after SIGKILL. Any number may wait."""
        code = await self._process.wait()
        if not self._is_cleared:
            # Like the end of a container's first process: all that it started ends with it. Once,
            # for later the group's id may be somebody else's.
            self._is_cleared = True
            self._signal_group(signal.SIGKILL)
            await asyncio.to_thread(remove_scratch, self._scratch)
        return code if code >= 0 else _SIGNAL_BASE - code

    async def stop(self, grace_seconds: float) -> int:
        """SIGTERM, and SIGKILL for the group when the grace is over."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        try:
            async with asyncio.timeout(grace_seconds):
                return await self.wait()
        except TimeoutError:
            self._signal_group(signal.SIGKILL)
            return await self.wait()

    def kill(self) -> None:
        """End the whole group at once, without waiting for it."""
        if self.is_running:
            self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


class ContainerHost:
    """Starts containers on this machine, each marked as belonging to this run of the server."""

    def __init__(
        self,
        *,
        isolation: Isolation,
        root: Path,
        mark: str,
        region: str,
        s3_endpoint_url: str | None,
    ) -> None:
        self.isolation = isolation
        self._root = root
        self._environment = {
            **_DEFAULTS,
            **_own_environment(s3_endpoint_url),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }
        self._mark = mark
        self._root.mkdir(parents=True, exist_ok=True)

    async def start(self, spec: ContainerSpec) -> Container:
        """Start the program; it may end at any time, which `Container.wait` tells."""
        scratch = Path(tempfile.mkdtemp(prefix="overlay-", dir=self._root))
        argv = self.isolation.wrap(spec.argv, ml=spec.ml, scratch=scratch)
        with spec.log_path.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=spec.ml,
                env=self._environment_of(spec),
                start_new_session=True,
            )
        log.info("container.started", pid=process.pid, program=spec.argv[0], ml=str(spec.ml))
        return Container(process, scratch)

    def clear(self) -> None:
        """Remove the scratch of containers that an earlier run left behind."""
        for scratch in self._root.glob("overlay-*"):
            remove_scratch(scratch)

    def _environment_of(self, spec: ContainerSpec) -> dict[str, str]:
        base = self.isolation.base_dir(spec.ml)
        return {
            **self._environment,
            "SAGEMAKER_BASE_DIR": str(base),
            "SM_MODEL_DIR": str(base / "model"),
            **spec.environment,
            MARKER: self._mark,
        }


def make_ml_folders(ml: Path) -> None:
    """Lay out an empty /opt/ml."""
    shutil.rmtree(ml, ignore_errors=True)
    for folder in ("input/config", "input/data", "model", "output/data", "checkpoints"):
        (ml / folder).mkdir(parents=True)


def _own_environment(s3_endpoint_url: str | None) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or name.startswith("AWS_")
    }
    # The folder of this interpreter first, so that `python` in a program is the one we run on.
    path = os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)])
    s3 = {"AWS_ENDPOINT_URL_S3": s3_endpoint_url} if s3_endpoint_url else {}
    return {**inherited, "PATH": path, **s3}
