import json
import re
import shlex
import socket
import stat
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from penstock_client.cli import app
from penstock_client.devices.kit import Device, readme_of, write_kit
from typer.testing import CliRunner

ENDPOINT = "a1b2c3-ats.iot.eu-west-1.amazonaws.com"
PRESS = Device(thing="press-7", endpoint=ENDPOINT, prefix="plant")


def test_the_request_is_for_the_thing_and_signed_by_the_key(tmp_path: Path) -> None:
    folder = tmp_path / "press-7"
    write_kit(PRESS, folder)
    key = serialization.load_pem_private_key((folder / "private.key.pem").read_bytes(), None)
    request = x509.load_pem_x509_csr((folder / "device.csr.pem").read_bytes())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert request.is_signature_valid
    assert request.public_key() == key.public_key()
    assert request.subject.rfc4514_string() == "CN=press-7"


def test_nobody_else_may_read_the_key(tmp_path: Path) -> None:
    folder = tmp_path / "press-7"
    write_kit(PRESS, folder)
    assert stat.S_IMODE((folder / "private.key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    secret = (folder / "private.key.pem").read_text().splitlines()[1]
    others = [path for path in folder.iterdir() if path.name != "private.key.pem"]
    assert not [path for path in others if secret in path.read_text()]


def test_the_key_goes_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    folder = tmp_path / "press-7"
    result = CliRunner().invoke(
        app, ["devices", "kit", "press-7", "--endpoint", ENDPOINT, "--out", str(folder)]
    )
    assert result.exit_code == 0, result.output
    assert "PRIVATE" not in result.output
    assert (folder / "private.key.pem").read_text().splitlines()[1] not in result.output


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "press-7"
    write_kit(PRESS, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ValueError, match="never overwritten"):
        write_kit(PRESS, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    result = CliRunner().invoke(
        app, ["devices", "kit", "press-7", "--endpoint", ENDPOINT, "--out", str(folder)]
    )
    assert result.exit_code == 1
    assert (folder / "private.key.pem").read_bytes() == before["private.key.pem"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    write_kit(PRESS, tmp_path)
    assert (tmp_path / "private.key.pem").exists()


def test_the_settings_say_all_but_the_key(tmp_path: Path) -> None:
    write_kit(PRESS, tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    assert settings["endpoint"] == ENDPOINT
    assert settings["port"] == 8883
    assert settings["client_id"] == "press-7"
    assert settings["topic"] == "plant/readings/press-7"
    assert settings["root_ca_url"].startswith("https://")
    assert settings["reconnect"]["first_seconds"] < settings["reconnect"]["most_seconds"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"thing": "a/b"},
        {"thing": "plant+"},
        {"thing": ""},
        {"thing": "x" * 65},
        {"endpoint": f"https://{ENDPOINT}"},
        {"endpoint": f"{ENDPOINT}:8883"},
        {"endpoint": ""},
        {"prefix": "Plant/#"},
    ],
)
def test_names_that_aws_or_mqtt_would_misunderstand_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"thing|endpoint|prefix"):
        Device(**{"thing": "press-7", "endpoint": ENDPOINT, **wrong})  # type: ignore[arg-type]


def test_every_aws_command_of_the_readme_exists_with_its_options() -> None:
    """Held against the API's own description, since no account is at hand."""
    commands = re.findall(r"aws iot [a-z-]+ .*?(?=\)?$)", readme_of(PRESS), flags=re.MULTILINE)
    assert [command.split()[2] for command in commands] == [
        "create-certificate-from-csr", "attach-policy", "create-thing", "attach-thing-principal",
        "add-thing-to-thing-group", "update-certificate",
    ]  # fmt: skip
    for command in commands:
        _, _, action, *options = shlex.split(command.replace("${arn##*/}", "arn"))
        known = _options_of(action)
        given = [option for option in options if option.startswith("--")]
        assert given, command
        assert set(given) <= known | _OPTIONS_OF_THE_COMMAND_LINE, command


_OPTIONS_OF_THE_COMMAND_LINE = {"--query", "--output", "--certificate-pem-outfile"}


def _options_of(action: str) -> set[str]:
    client: Any = boto3.client("iot", region_name="eu-west-1")
    camel = "".join(part.title() for part in action.split("-"))
    shape = client.meta.service_model.operation_model(camel).input_shape
    return {"--" + re.sub(r"([A-Z])", r"-\1", member).lower() for member in shape.members}


def test_the_readme_names_policy_and_group_as_a_deployment_does() -> None:
    readme = readme_of(PRESS)
    assert "--policy-name plant-device " in readme
    assert "--thing-group-name plant-devices " in readme
    assert "$" not in re.sub(r"\$\(aws|\$arn|\$\{arn##\*/\}", "", readme)
