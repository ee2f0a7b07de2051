"""The bundle for a device that speaks MQTT to AWS IoT Core: key, request, settings, words.

Everything is made here and written to disk; nothing is sent, the private key least of all. AWS
signs the request, so the key never leaves the folder.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PRIVATE_KEY, REQUEST, CERTIFICATE = "private.key.pem", "device.csr.pem", "device.cert.pem"
ROOT_CA = "AmazonRootCA1.pem"
ROOT_CA_URL = "https://www.amazontrust.com/repository/AmazonRootCA1.pem"
MQTT_PORT = 8883
_KEEP_ALIVE_SECONDS = 60
_ANSWER_SECONDS = 10
_RECONNECT = {"first_seconds": 1.0, "most_seconds": 120.0}
_THING = re.compile(r"[A-Za-z0-9:_-]{1,64}")
"""What AWS lets a thing be called, as long as a certificate's common name may be."""
_PREFIX = re.compile(r"[a-z][a-z0-9-]{0,40}")
_ENDPOINT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Who the device is and where it publishes; `prefix` is that of the deployment's names."""

    thing: str
    endpoint: str
    prefix: str = "penstock"
    port: int = MQTT_PORT

    def __post_init__(self) -> None:
        """Refuse what AWS or MQTT would misunderstand later."""
        if not _THING.fullmatch(self.thing):
            raise ValueError(
                f"thing {self.thing!r}: 1 to 64 letters, digits, colon, underscore, hyphen"
            )
        if not _ENDPOINT.fullmatch(self.endpoint):
            raise ValueError(
                f"endpoint {self.endpoint!r}: the host alone, as"
                " `aws iot describe-endpoint --endpoint-type iot:Data-ATS` prints it"
            )
        if not _PREFIX.fullmatch(self.prefix):
            raise ValueError(f"prefix {self.prefix!r}: small letters, digits, hyphens")

    @property
    def topic(self) -> str:
        """Where it publishes."""
        return f"{self.prefix}/readings/{self.thing}"

    @property
    def policy(self) -> str:
        """The policy that lets each device connect as itself and publish to its own topic."""
        return f"{self.prefix}-device"

    @property
    def thing_group(self) -> str:
        """The group of all devices of a deployment."""
        return f"{self.prefix}-devices"


def write_kit(device: Device, folder: Path) -> list[Path]:
    """Write the bundle; raise ValueError where the folder has anything in it."""
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty: a key that may be in use is never overwritten")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    secret = {PRIVATE_KEY: _key_pem(key)}
    public = {
        REQUEST: _request_pem(device, key),
        "config.json": json.dumps(settings_of(device), indent=2) + "\n",
        "README.md": readme_of(device),
        "publish.py": (files(__package__) / "publish.py").read_text(encoding="utf-8"),
    }
    paths = [_write_new(folder / name, text, mode=0o600) for name, text in secret.items()]
    return paths + [_write_new(folder / name, text, mode=0o644) for name, text in public.items()]


def settings_of(device: Device) -> Mapping[str, object]:
    """What the device must know, all but its key."""
    return {
        "endpoint": device.endpoint,
        "port": device.port,
        "client_id": device.thing,
        "topic": device.topic,
        "root_ca": ROOT_CA,
        "root_ca_url": ROOT_CA_URL,
        "certificate": CERTIFICATE,
        "private_key": PRIVATE_KEY,
        "keep_alive_seconds": _KEEP_ALIVE_SECONDS,
        "answer_seconds": _ANSWER_SECONDS,
        "reconnect": _RECONNECT,
    }


def readme_of(device: Device) -> str:
    """Tell a person what to do with the folder."""
    template = Template((files(__package__) / "README.template.md").read_text(encoding="utf-8"))
    return template.substitute(
        thing=device.thing,
        endpoint=device.endpoint,
        port=device.port,
        topic=device.topic,
        policy=device.policy,
        group=device.thing_group,
        key=PRIVATE_KEY,
        request=REQUEST,
        certificate=CERTIFICATE,
        root_ca=ROOT_CA,
        root_ca_url=ROOT_CA_URL,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _request_pem(device: Device, key: ec.EllipticCurvePrivateKey) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device.thing)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _write_new(path: Path, text: str, *, mode: int) -> Path:
    # O_EXCL: never over a file that came meanwhile; the mode holds from the first byte on.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    return path
