from pathlib import Path

import pytest
from penstock_local.sagemaker.__main__ import read_settings
from pydantic import ValidationError


def test_command_line_comes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PENSTOCK_SAGEMAKER_PORT", "4000")
    monkeypatch.setenv("PENSTOCK_SAGEMAKER_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("PENSTOCK_SAGEMAKER_MAX_BODY_BYTES", "26214400")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")

    settings = read_settings(["--port", "4567", "--s3-endpoint", "http://127.0.0.1:4566"])

    assert (settings.port, settings.state_dir) == (4567, tmp_path)
    assert settings.s3_endpoint_url == "http://127.0.0.1:4566"
    assert settings.max_body_bytes == 26_214_400
    assert settings.region == "eu-north-1"
    assert settings.host == "127.0.0.1"


def test_state_directory_is_made_absolute() -> None:
    settings = read_settings(["--port", "4567", "--state-dir", "state"])

    assert settings.state_dir == Path.cwd() / "state"


def test_port_is_asked_for() -> None:
    with pytest.raises(ValidationError, match="port"):
        read_settings(["--state-dir", "state"])
