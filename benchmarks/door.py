"""A door under load: servers in processes of their own, a closed loop of connections, CPU told.

CPU is that of a whole process, ended threads included, in nanoseconds from its own clock. Servers
share one core, the load and what stands in for the outside world have another.
"""

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import uvloop

OUT = Path(__file__).parent / "out"
READINGS, BODIES, PATHS = 100, 64, 480
SERVER_CORE, _LOAD_CORE = 0, 1
_CLOCK_OF_PROCESS = 2
"""Linux's CPUCLOCK_SCHED: a process's CPU time to the nanosecond."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs; `key` opens the door, where it is one."""

    pid: int
    port: int
    key: str = ""

    def cpu_seconds(self) -> float:
        return time.clock_gettime((~self.pid << 3) | _CLOCK_OF_PROCESS)


@contextmanager
def running(
    what: str, port: int, *options: str, variables: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run a server of `benchmarks/door_server.py`, until the end of the block."""
    command = [sys.executable, "-m", "benchmarks.door_server", what, "--port", str(port), *options]
    environment = {**os.environ, **(variables or {})}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own words
        try:
            key = process.stdout.readline().strip() if what == "ingest" and process.stdout else ""
            wait_for(port)
            pin(process.pid, SERVER_CORE if what in ("noop", "ingest") else _LOAD_CORE)
            yield Server(process.pid, port, key)
        finally:
            process.terminate()
            process.wait(20)


def pin_load() -> None:
    """Keep this process off the servers' core."""
    pin(0, _LOAD_CORE)


def pin(pid: int, core: int) -> None:
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})


def wait_for(port: int) -> None:
    for _ in range(600):
        try:
            urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
        except URLError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nobody answers on port {port}")


def own_bodies() -> list[bytes]:
    """Bodies in our own envelope, as the contract shows it: times in ISO 8601."""
    return [
        json.dumps(
            {
                "readings": [
                    {"tag": path, "value": value, "quality": "good", "at": _iso(at)}
                    for path, value, at in rows
                ]
            }
        ).encode()
        for rows in _bodies()
    ]


def compact_bodies() -> list[bytes]:
    """Bodies as N3uron's JSON Compact: one event of each tag."""
    return [
        json.dumps({path: [{"v": value, "q": 192, "ts": at}] for path, value, at in rows}).encode()
        for rows in _bodies()
    ]


def _bodies() -> Iterator[list[tuple[str, float, int]]]:
    """Distinct bodies: a repeated one would compress to nothing. Rows are (path, value, ms)."""
    draw = random.Random(7)
    now = round(time.time() * 1000)
    paths = [f"/SITE01/LINE{n % 8:02}/MACHINE{n:03}/TEMPERATURE" for n in range(PATHS)]
    for number in range(BODIES):
        picked = [paths[(number * READINGS + n) % PATHS] for n in range(READINGS)]
        yield [(path, round(draw.gauss(70, 5), 3), now - draw.randrange(1_000)) for path in picked]


def _iso(milliseconds: int) -> str:
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def posts(bodies: Sequence[bytes], key: str) -> list[bytes]:
    """Whole requests that bring the bodies."""
    return [
        (
            "POST /v1/readings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode()
        + body
        for body in bodies
    ]


def cpu_per_request(
    server: Server, requests: Sequence[bytes], *, count: int, connections: int
) -> float:
    """Send `count` requests over `connections`; tell the server's CPU in microseconds for each."""
    turns = count // connections
    seconds = uvloop.run(_load(server, requests, turns, connections))
    return seconds / (turns * connections) * 1e6


def interleaved(
    configurations: Mapping[str, tuple[Server, Sequence[bytes]]],
    *,
    rounds: int,
    count: int,
    connections: int,
) -> dict[str, list[float]]:
    """Measure all configurations round by round; the first round warms up and is left out."""
    costs: dict[str, list[float]] = {name: [] for name in configurations}
    for _ in range(rounds + 1):
        for name, (server, requests) in configurations.items():
            cost = cpu_per_request(server, requests, count=count, connections=connections)
            costs[name].append(cost)
    return {name: measured[1:] for name, measured in costs.items()}


def write_figures(name: str, costs: Mapping[str, list[float]], **more: object) -> dict[str, float]:
    """Write what was measured to `benchmarks/out/`; return the medians."""
    medians = {what: statistics.median(measured) for what, measured in costs.items()}
    OUT.mkdir(exist_ok=True)
    figures = {"us_per_request": medians, "rounds": costs, **more}
    (OUT / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    return medians


async def _load(server: Server, requests: Sequence[bytes], turns: int, connections: int) -> float:
    """CPU seconds that the server took for the requests, once all connections were open."""
    opened = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(connections)]
    before = server.cpu_seconds()
    await asyncio.gather(*(_post(*streams, requests, n, turns) for n, streams in enumerate(opened)))
    seconds = server.cpu_seconds() - before
    for _, writer in opened:
        writer.close()
        await writer.wait_closed()
    return seconds


async def _post(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
    requests: Sequence[bytes], number: int, turns: int,
) -> None:  # fmt: skip
    for turn in range(turns):
        writer.write(requests[(number * 7 + turn) % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        lines = head.decode().lower().splitlines()
        (length,) = [int(line.split(":")[1]) for line in lines if line.startswith("content-length")]
        await reader.readexactly(length)
