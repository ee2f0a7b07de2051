"""The two commands as people run them: ready, harmless without work, gone when told."""

import http.client
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from penstock_local.ports import LOOPBACK, free_port

from tests.fixtures.waiting import wait_until

BIN = Path(sys.executable).parent


def status_of(port: int, path: str) -> int:
    """Status of a GET; 0 where nobody answers."""
    try:
        with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=5)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status
    except OSError:
        return 0


@pytest.mark.parametrize("command", ["training-fetcher", "training-preparer"])
def test_a_command_gets_ready_and_ends_when_told(
    command: str, name_prefix: str, tmp_path: Path
) -> None:
    port = free_port()
    prefix = command.replace("-", "_").upper()
    variables = {
        "PENSTOCK_NAME_PREFIX": name_prefix,
        f"{prefix}_PORT": str(port),
        f"{prefix}_RECEIVE_WAIT_SECONDS": "1",
    }
    with (tmp_path / "output.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 -- our own commands
            [BIN / command], env={**os.environ, **variables}, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: status_of(port, "/readyz") == 200, f"{command} is ready", seconds=60)
        assert status_of(port, "/healthz") == 200
        assert status_of(port, "/metrics") == 200
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        output = (tmp_path / "output.log").read_text()
        assert process.returncode in {0, -signal.SIGTERM}, output[-2_000:]
        assert "Traceback" not in output
    finally:
        process.kill()
        process.wait()
