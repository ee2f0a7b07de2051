"""A collector and viewer for one machine: spans by OTLP over HTTP, metrics of the services.

`python -m penstock_local.observing --port 4318 --service ingest-api=http://127.0.0.1:8081 ...`
Traces are kept in memory, the newest of them, and are gone when it ends.
"""

import argparse
import asyncio
import signal

from aiohttp import web

from penstock_local.observing.app import create_app, runner_of
from penstock_local.ports import LOOPBACK


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="penstock_local.observing", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default=LOOPBACK, help="another one only inside a container")
    parser.add_argument("--service", action="append", default=[], metavar="NAME=URL")
    options = parser.parse_args()
    services = dict(service.split("=", 1) for service in options.service)
    asyncio.run(_serve(create_app(services), options.host, options.port))


async def _serve(app: web.Application, host: str, port: int) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    runner = runner_of(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        await stopping.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    main()
