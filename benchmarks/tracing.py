"""What tracing costs the door: CPU of ingest-api per request, in ratios to a no-op ASGI server.

Closed loop of 16 connections, 100 readings a body, 64 distinct bodies; the topic takes everything
at once, the collector throws spans away. CPU is that of the whole process, the exporting thread
included. All configurations run interleaved, round by round; the figures are medians.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
from penstock_local.ports import free_ports

OUT = Path(__file__).parent / "out" / "tracing.json"
CONNECTIONS, READINGS, BODIES = 16, 100, 64
SERVER_CORE, LOAD_CORE = 0, 1

RATIOS = {"off": None, "sampled 0 %": 0.0, "sampled 1 %": 0.01, "sampled 100 %": 1.0}
"""Configurations of ingest-api by the share of traces that they record; None: no collector."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server under load, and the request that it answers."""

    process: psutil.Process
    port: int
    requests: list[bytes]

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=4_000, help="of one round")
    options = parser.parse_args()
    measured: dict[str, list[float]] = {}
    with ExitStack() as stack:
        servers = _servers(stack)
        _pin(0, LOAD_CORE)
        for _ in range(options.rounds + 1):  # the first one warms up
            for name, server in servers.items():
                measured.setdefault(name, []).append(_round(server, options.requests))
    medians = {name: statistics.median(costs[1:]) for name, costs in measured.items()}
    _tell(measured, medians)


def _servers(stack: ExitStack) -> dict[str, Server]:
    ports = free_ports(["collector", "no-op", *RATIOS])
    stack.enter_context(_running("collector", ports["collector"], {}))
    servers = {"no-op": stack.enter_context(_running("noop", ports["no-op"], {}))}
    for name, ratio in RATIOS.items():
        variables = {}
        if ratio is not None:
            variables = {
                "PENSTOCK_OTLP_ENDPOINT": f"http://127.0.0.1:{ports['collector']}",
                "PENSTOCK_TRACES_RATIO": str(ratio),
            }
        servers[name] = stack.enter_context(_running("ingest", ports[name], variables))
    return servers


@contextmanager
def _running(what: str, port: int, variables: dict[str, str]) -> Iterator[Server]:
    command = [sys.executable, "-m", "benchmarks.tracing_server", what, "--port", str(port)]
    process = subprocess.Popen(  # noqa: S603  # our own words
        command, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True
    )
    try:
        key = process.stdout.readline().strip() if what == "ingest" and process.stdout else ""
        if what != "collector":
            _wait_for(port)
            _pin(process.pid, SERVER_CORE)
        yield Server(psutil.Process(process.pid), port, list(_requests(key)))
    finally:
        process.terminate()
        process.wait(20)


def _pin(pid: int, core: int) -> None:
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})


def _wait_for(port: int) -> None:
    for _ in range(600):
        try:
            urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
        except URLError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nobody answers on port {port}")


def _requests(key: str) -> Iterator[bytes]:
    draw = random.Random(7)
    now = round(time.time() * 1000)
    for number in range(BODIES):
        readings = [
            {
                "tag": f"/SITE01/LINE{n % 8:02}/MACHINE{n % 60:03}/TEMPERATURE",
                "value": round(draw.gauss(70, 5), 3), "quality": "good", "ts": now - n - number,
            }
            for n in range(READINGS)
        ]  # fmt: skip
        body = json.dumps({"readings": readings}).encode()
        head = (
            "POST /v1/readings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


def _round(server: Server, count: int) -> float:
    """CPU of the server in microseconds per request."""
    before = server.cpu_seconds()
    asyncio.run(_load(server, count))
    return (server.cpu_seconds() - before) / count * 1e6


async def _load(server: Server, count: int) -> None:
    await asyncio.gather(
        *(_connection(server, n, count // CONNECTIONS) for n in range(CONNECTIONS))
    )


async def _connection(server: Server, number: int, count: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for turn in range(count):
        writer.write(server.requests[(number * 7 + turn) % BODIES])
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        lines = head.decode().lower().splitlines()
        (length,) = [int(line.split(":")[1]) for line in lines if line.startswith("content-length")]
        await reader.readexactly(length)
    writer.close()
    await writer.wait_closed()


def _tell(measured: dict[str, list[float]], medians: dict[str, float]) -> None:
    off, noop = medians["off"], medians["no-op"]
    OUT.parent.mkdir(exist_ok=True)
    figures = {"us_per_request": medians, "rounds": {n: costs[1:] for n, costs in measured.items()}}
    OUT.write_text(json.dumps(figures, indent=2) + "\n")
    print("| configuration | µs CPU per request | to no-op | to off |")
    print("|---|--:|--:|--:|")
    for name, cost in medians.items():
        to_off = "" if name == "no-op" else f"{cost / off:.2f}"
        print(f"| {name} | {cost:.0f} | {cost / noop:.2f} | {to_off} |")


if __name__ == "__main__":
    main()
