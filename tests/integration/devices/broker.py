"""An MQTT broker that asks every client for a certificate, and writes down what it is told.

`python -m tests.integration.devices.broker <folder> <port>`: ca.pem, server.pem and server.key
lie in the folder; each message becomes a line of messages.jsonl.
"""

import asyncio
import contextlib
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from amqtt.broker import Broker, BrokerContext
from amqtt.plugins.base import BaseAuthPlugin, BasePlugin
from amqtt.session import ApplicationMessage, Session
from cryptography import x509
from cryptography.x509.oid import NameOID


class ThingsOnly(BaseAuthPlugin):  # type: ignore[misc]  # ships no types
    """Lets in whose certificate names the client, as the policy of a deployment does."""

    async def authenticate(self, *, session: Session) -> bool | None:
        der = session.ssl_object.getpeercert(binary_form=True) if session.ssl_object else None
        if der is None:
            return False
        subject = x509.load_der_x509_certificate(der).subject
        names = [name.value for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        return names == [session.client_id]


class Journal(BasePlugin[BrokerContext]):  # type: ignore[misc]  # ships no types
    """Writes every message down before anybody else could lose it."""

    @dataclass
    class Config:
        path: str

    async def on_broker_message_received(
        self, *, client_id: str, message: ApplicationMessage
    ) -> None:
        line = {"client_id": client_id, "topic": message.topic, "body": _text(message.data)}
        _append(Path(self.config.path), json.dumps(line))


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def _text(data: object) -> str:
    return bytes(data).decode() if isinstance(data, bytes | bytearray) else str(data)


async def serve(folder: Path, port: int) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    config = {
        "listeners": {
            "default": {
                "type": "tcp",
                "bind": f"127.0.0.1:{port}",
                "ssl": True,
                "cafile": str(folder / "ca.pem"),
                "certfile": str(folder / "server.pem"),
                "keyfile": str(folder / "server.key"),
            }
        },
        "plugins": {
            f"{__name__}.ThingsOnly": {},
            f"{__name__}.Journal": {"path": str(folder / "messages.jsonl")},
        },
    }
    broker = Broker(config)
    await broker.start()
    (folder / "ready").touch()
    await stop.wait()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(broker.shutdown(), 5)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
