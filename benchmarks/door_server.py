"""The servers that `benchmarks/tracing.py` compares: ingest-api over memory, and a no-op.

`python -m benchmarks.tracing_server noop|ingest|collector --port N`; the door's key is printed.
"""

import argparse
import asyncio
import gc
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import uvicorn
from ingest_api.app import Outside, create_app
from ingest_api.settings import Settings
from penstock.adapters.memory import MemoryKeyValueStore
from penstock.domain.ids import GatewayId
from penstock.gateways import GatewayBody, GatewayStore
from penstock.ports import PublishOutcome
from penstock.runtime.clock import SystemClock
from penstock.runtime.logging import configure_logging

_ANSWER = b'{"accepted": 100}'


class Discarding:
    """A topic that takes everything at once."""

    async def publish(self, bodies: Sequence[str]) -> Sequence[PublishOutcome]:
        return [PublishOutcome()] * len(bodies)


async def noop(_scope: Any, receive: Any, send: Any) -> None:
    """Read the body, answer."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"17")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _ANSWER})


def ingest() -> Any:
    """The real door, its settings from the environment."""
    tables, clock = MemoryKeyValueStore(), SystemClock()
    print(asyncio.run(_key(GatewayStore(tables, clock))), flush=True)

    async def reachable() -> None:
        """Nothing to ask."""

    settings = Settings()
    configure_logging(settings, "ingest-api")
    app = create_app(settings, outside=Outside(Discarding(), tables, reachable))
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)  # as the command does
    return app


async def _key(gateways: GatewayStore) -> str:
    gateway = GatewayId("gw-bench")
    await gateways.put(GatewayBody(gateway_id=gateway))
    return (await gateways.add_key(gateway)).key.get_secret_value()


class Collector(BaseHTTPRequestHandler):
    """Takes spans and throws them away."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("noop", "ingest", "collector"))
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    if options.what == "collector":
        ThreadingHTTPServer(("127.0.0.1", options.port), Collector).serve_forever()
        return
    uvicorn.run(
        noop if options.what == "noop" else ingest(),
        host="127.0.0.1", port=options.port, loop="uvloop", http="httptools",
        lifespan="off" if options.what == "noop" else "on",
        log_level="warning", access_log=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
