"""The two commands as people run them: ready, harmless without work, gone when told."""

from pathlib import Path

import pytest

from tests.fixtures.processes import ENDED_IN_ORDER, command


@pytest.mark.parametrize("name", ["training-fetcher", "training-preparer"])
def test_a_command_gets_ready_and_ends_when_told(
    name: str, name_prefix: str, tmp_path: Path
) -> None:
    variables = {f"{name.replace('-', '_').upper()}_RECEIVE_WAIT_SECONDS": "1"}
    with command(name, name_prefix, tmp_path, variables) as process:
        process.start()
        process.wait_for("/readyz")
        assert process.status_of("/healthz") == 200
        assert process.status_of("/metrics") == 200
        assert process.end() in ENDED_IN_ORDER, process.output
        assert "Traceback" not in process.output
