"""The servers that benchmarks of the door compare: ingest-api, a no-op, and what stands around.

`python -m benchmarks.door_server noop|ingest|topic|collector --port N`; the door prints its key.
"""

import argparse
import gc
import json
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import uvicorn
import uvloop
from ingest_api.app import Outside, create_app
from ingest_api.settings import Settings
from penstock.adapters.aws import aws_clients
from penstock.adapters.memory import MemoryKeyValueStore
from penstock.adapters.sns import SnsPublisher
from penstock.channels.readings import CHANNEL, reading_columns
from penstock.domain.ids import GatewayId
from penstock.gateways import GatewayBody, GatewayStore
from penstock.ports import Publisher, PublishOutcome
from penstock.runtime.clock import SystemClock
from penstock.runtime.lifecycle import server_config
from penstock.runtime.logging import configure_logging
from starlette.types import ASGIApp

_ANSWER = b'{"accepted": 100}'
_TOPIC_ARN = "arn:aws:sns:eu-west-1:000000000000:bench"

Headers = Sequence[tuple[bytes, bytes]]


class Discarding:
    """A topic that takes everything at once."""

    async def publish(self, bodies: Sequence[str]) -> Sequence[PublishOutcome]:
        return [PublishOutcome()] * len(bodies)


async def noop(_scope: Any, receive: Any, send: Any) -> None:
    """Read the body, answer."""
    await body_of(receive)
    await send_answer(send, _ANSWER)


class Topic:
    """SNS as far as PublishBatch goes: takes every pack at once, opens it and counts."""

    def __init__(self) -> None:
        self.arrived = {"readings": 0, "packs": 0, "calls": 0, "bytes": 0}

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        form = parse_qs((await body_of(receive)).decode())
        if not form:
            await send_answer(send, json.dumps(self.arrived).encode())
            return
        self.arrived["calls"] += 1
        entries = ""
        for name, (text,) in form.items():
            if name.endswith(".Message"):
                self._count(text)
            elif name.endswith(".Id"):
                entries += f"<member><Id>{text}</Id><MessageId>m</MessageId></member>"
        answer = (
            '<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
            f"<PublishBatchResult><Failed/><Successful>{entries}</Successful></PublishBatchResult>"
            "</PublishBatchResponse>"
        )
        await send_answer(send, answer.encode(), kind=b"text/xml")

    def _count(self, body: str) -> None:
        self.arrived["packs"] += 1
        self.arrived["bytes"] += len(body)
        self.arrived["readings"] += len(reading_columns(CHANNEL.decode(body)).tag)


async def body_of(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def send_answer(
    send: Any, body: bytes, *, kind: bytes = b"application/json", more: Headers = ()
) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def ingest(port: int, topic: str) -> None:
    """Serve the real door, its settings from the environment."""
    settings = Settings().model_copy(update={"port": port})
    configure_logging(settings, "ingest-api")
    if topic == "memory":
        await _serve_door(settings, Discarding())
        return
    async with aws_clients(settings.region) as aws:
        await _serve_door(settings, SnsPublisher(await aws.sns(), _TOPIC_ARN))


async def _serve_door(settings: Settings, publisher: Publisher) -> None:
    tables, clock = MemoryKeyValueStore(), SystemClock()
    print(await _key(GatewayStore(tables, clock)), flush=True)

    async def reachable() -> None:
        """Nothing to ask."""

    app = create_app(settings, outside=Outside(publisher, tables, reachable))
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)  # as the command does
    await _serve(app, settings)


async def _key(gateways: GatewayStore) -> str:
    gateway = GatewayId("gw-bench")
    await gateways.put(GatewayBody(gateway_id=gateway))
    return (await gateways.add_key(gateway)).key.get_secret_value()


async def _serve(app: ASGIApp, settings: Settings) -> None:
    await uvicorn.Server(server_config(app, settings)).serve()


class Collector(BaseHTTPRequestHandler):
    """Takes spans and throws them away."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer()

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("noop", "ingest", "topic", "collector"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--topic", choices=("memory", "sns"), default="memory")
    options = parser.parse_args()
    if options.what == "collector":
        ThreadingHTTPServer(("127.0.0.1", options.port), Collector).serve_forever()
    elif options.what == "ingest":
        uvloop.run(ingest(options.port, options.topic))
    else:
        settings = Settings().model_copy(update={"port": options.port})
        uvloop.run(_serve(noop if options.what == "noop" else Topic(), settings))


if __name__ == "__main__":
    main()
