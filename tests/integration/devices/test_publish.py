"""The publisher of a kit against a broker that asks for certificates, as AWS IoT Core does."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ingest_api.formats.penstock import FORMAT
from ingest_api.payload_format import ParseContext
from penstock_client.devices.kit import Device, write_kit
from penstock_local.ports import free_port

from tests.fixtures.data import ROOT
from tests.fixtures.waiting import PATIENCE_SECONDS, wait_until
from tests.integration.devices.authority import Authority


@dataclass(slots=True)
class BrokerProcess:
    """A broker that can be ended and started again on its port."""

    folder: Path
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.integration.devices.broker"]
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own words
                [*command, str(self.folder), str(self.port)], cwd=ROOT, stdout=log, stderr=log
            )
        wait_until(ready.exists, "the broker listens")

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What it was told, in order."""
        journal = self.folder / "messages.jsonl"
        if not journal.exists():
            return []
        return [json.loads(line) for line in journal.read_text().splitlines()]

    def scans(self) -> list[int]:
        """Numbers of the bodies that came, as the sample counts them."""
        bodies = [json.loads(message["body"]) for message in self.messages]
        return [int(body["readings"][1]["value"]) for body in bodies]


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def broker(tmp_path: Path, authority: Authority) -> Iterator[BrokerProcess]:
    folder = tmp_path / "broker"
    folder.mkdir()
    authority.write_server(folder)
    process = BrokerProcess(folder)
    process.start()
    yield process
    process.kill()


def kit_of(
    folder: Path, broker: BrokerProcess, signer: Authority, *, thing: str = "press-7"
) -> Path:
    """A kit as it is once its request was signed and the root CA was fetched."""
    write_kit(Device(thing=thing, endpoint="localhost", port=broker.port), folder)
    signed = signer.sign((folder / "device.csr.pem").read_bytes())
    (folder / "device.cert.pem").write_bytes(signed)
    (folder / "AmazonRootCA1.pem").write_bytes((broker.folder / "ca.pem").read_bytes())
    return folder


def hasten(kit: Path) -> None:
    """Do not wait for long: who refuses a certificate under TLS 1.3 just falls silent."""
    change_config(kit, answer_seconds=1)


def change_config(kit: Path, **changes: object) -> None:
    path = kit / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@contextmanager
def publishing(kit: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the kit's publisher as a person would, its log in the kit's folder."""
    with (kit / "publish.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  # our own words
            [sys.executable, str(kit / "publish.py"), *options], stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def log_of(kit: Path) -> str:
    return (kit / "publish.log").read_text()


def test_readings_arrive_under_the_things_own_name(
    tmp_path: Path, broker: BrokerProcess, authority: Authority
) -> None:
    kit = kit_of(tmp_path / "kit", broker, authority)
    with publishing(kit, "--every", "0.02", "--count", "5") as process:
        assert process.wait(PATIENCE_SECONDS) == 0, log_of(kit)
    assert broker.scans() == [1, 2, 3, 4, 5]
    first = broker.messages[0]
    assert (first["client_id"], first["topic"]) == ("press-7", "penstock/readings/press-7")


def test_a_body_is_one_that_the_door_for_gateways_understands(
    tmp_path: Path, broker: BrokerProcess, authority: Authority
) -> None:
    kit = kit_of(tmp_path / "kit", broker, authority)
    with publishing(kit, "--every", "0", "--count", "1") as process:
        assert process.wait(PATIENCE_SECONDS) == 0, log_of(kit)
    document = json.loads(broker.messages[0]["body"])
    assert FORMAT.recognises(document)
    parsed = FORMAT.parse(document, ParseContext(gateway_id="press-7"))
    assert parsed.tags == ["/SITE01/P-101/TEMP", "/SITE01/P-101/SCANS"]


def test_an_outage_of_the_broker_loses_nothing(
    tmp_path: Path, broker: BrokerProcess, authority: Authority
) -> None:
    kit = kit_of(tmp_path / "kit", broker, authority)
    with publishing(kit, "--every", "0.05", "--count", "120") as process:
        wait_until(lambda: len(broker.messages) >= 10, "ten bodies have come")
        broker.kill()
        wait_until(lambda: "next try in" in log_of(kit), "the outage was noticed")
        broker.start()
        assert process.wait(PATIENCE_SECONDS) == 0, log_of(kit)
    assert sorted(set(broker.scans())) == list(range(1, 121)), "every body, perhaps twice"
    assert log_of(kit).count("connected") >= 2


def test_who_has_no_certificate_of_the_authority_is_kept_out(
    tmp_path: Path, broker: BrokerProcess
) -> None:
    kit = kit_of(tmp_path / "kit", broker, Authority("somebody else"))
    hasten(kit)
    with publishing(kit, "--every", "0", "--count", "1") as process:
        wait_until(lambda: log_of(kit).count("next try in") >= 2, "it was refused")
        assert process.poll() is None, "it tries on, with longer pauses"
    assert broker.messages == []


def test_a_thing_cannot_pass_for_another(
    tmp_path: Path, broker: BrokerProcess, authority: Authority
) -> None:
    kit = kit_of(tmp_path / "kit", broker, authority)
    change_config(kit, client_id="press-8")
    hasten(kit)
    with publishing(kit, "--every", "0", "--count", "1"):
        wait_until(lambda: "next try in" in log_of(kit), "it was refused")
    assert broker.messages == []


def test_a_broker_of_another_authority_is_not_believed(
    tmp_path: Path, broker: BrokerProcess, authority: Authority
) -> None:
    kit = kit_of(tmp_path / "kit", broker, authority)
    (kit / "AmazonRootCA1.pem").write_bytes(Authority("somebody else").pem)
    hasten(kit)
    with publishing(kit, "--every", "0", "--count", "1"):
        wait_until(lambda: "certificate verify failed" in log_of(kit), "it was told")
    assert broker.messages == []


def test_a_kit_that_was_not_registered_says_what_is_missing(
    tmp_path: Path, broker: BrokerProcess
) -> None:
    write_kit(Device(thing="press-7", endpoint="localhost", port=broker.port), tmp_path / "kit")
    with publishing(tmp_path / "kit") as process:
        assert process.wait(PATIENCE_SECONDS) == 1
    assert "device.cert.pem is missing" in log_of(tmp_path / "kit")
