"""Publish readings to AWS IoT Core from the folder that `penstock devices kit` made.

Runs on its own: Python 3.11 or newer and `pip install aiomqtt`. Replace `measure` by what reads
your machine; everything else may stay.

What is measured waits in memory until the broker has acknowledged it, so an outage delays readings
and loses none as long as they fit; beyond that the oldest go, and it is told how many.
"""

import argparse
import asyncio
import json
import random
import signal
import ssl
import sys
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt

FOLDER = Path(__file__).resolve().parent
MOST_WAITING = 10_000
"""Bodies that wait for a connection at most."""


def measure(number: int) -> list[dict[str, Any]]:
    """Read the machine once: a list of tag, value, quality and time."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    temperature = round(70 + random.gauss(0, 1), 2)
    return [
        {"tag": "/SITE01/P-101/TEMP", "value": temperature, "quality": "good", "at": at},
        {"tag": "/SITE01/P-101/SCANS", "value": number, "quality": "good", "at": at},
    ]


class Outbox:
    """Bodies that the broker has not acknowledged yet, oldest first."""

    def __init__(self) -> None:
        """Start empty."""
        self._bodies: deque[bytes] = deque()
        self._has_some = asyncio.Event()
        self._is_empty = asyncio.Event()
        self.dropped = 0

    def __len__(self) -> int:
        """Count what waits."""
        return len(self._bodies)

    def put(self, readings: list[dict[str, Any]]) -> None:
        """Keep a body; where too many wait, the oldest makes room."""
        if len(self._bodies) == MOST_WAITING:
            self._bodies.popleft()
            self.dropped += 1
        self._bodies.append(json.dumps({"readings": readings}).encode())
        self._has_some.set()
        self._is_empty.clear()

    async def oldest(self) -> bytes:
        """Wait for a body, which stays until `drop`."""
        while not self._bodies:
            self._has_some.clear()
            await self._has_some.wait()
        return self._bodies[0]

    def drop(self, body: bytes) -> None:
        """Forget a body that was acknowledged, unless it had to make room meanwhile."""
        if self._bodies and self._bodies[0] is body:
            self._bodies.popleft()
        if not self._bodies:
            self._is_empty.set()

    async def until_empty(self) -> None:
        """Wait until every body is acknowledged."""
        await self._is_empty.wait()


async def fill(outbox: Outbox, *, every: float, count: int | None) -> None:
    """Measure until `count` bodies were made and acknowledged, or for ever."""
    number = 0
    while count is None or number < count:
        number += 1
        outbox.put(measure(number))
        await asyncio.sleep(every)
    await outbox.until_empty()


async def empty(outbox: Outbox, config: dict[str, Any]) -> None:
    """Publish what waits, and connect again whenever the connection ends."""
    tls = ssl.create_default_context(cafile=str(FOLDER / config["root_ca"]))
    tls.load_cert_chain(FOLDER / config["certificate"], FOLDER / config["private_key"])
    first, most = config["reconnect"]["first_seconds"], config["reconnect"]["most_seconds"]
    pause = first
    while True:
        try:
            async with aiomqtt.Client(
                config["endpoint"],
                config["port"],
                identifier=config["client_id"],
                keepalive=config["keep_alive_seconds"],
                timeout=config["answer_seconds"],
                tls_context=tls,
            ) as client:
                tell("connected")
                while True:
                    body = await outbox.oldest()
                    # QoS 1 waits for the acknowledgement: a body may come twice, never not at all.
                    await client.publish(config["topic"], body, qos=1)
                    outbox.drop(body)
                    pause = first
        except aiomqtt.MqttError as error:
            # Jitter: a thousand devices must not come back in the same second.
            seconds = pause * random.uniform(0.5, 1.0)  # noqa: S311 -- spreads retries
            tell(f"{error}; {len(outbox)} wait, next try in {seconds:.1f} s")
            await asyncio.sleep(seconds)
            pause = min(most, pause * 2)


def tell(words: str) -> None:
    """Say to the log what happens."""
    print(f"{datetime.now(UTC).isoformat(timespec='seconds')} {words}", file=sys.stderr, flush=True)  # noqa: T201 -- its log


async def run(*, every: float, count: int | None) -> int:
    """Publish until all `count` bodies are acknowledged, or until SIGTERM or SIGINT."""
    config = read_config()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    outbox = Outbox()
    tasks = [
        asyncio.create_task(empty(outbox, config), name="empty"),
        asyncio.create_task(fill(outbox, every=every, count=count), name="fill"),
        asyncio.create_task(stop.wait(), name="stop"),
    ]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    tell(f"{len(outbox)} not sent, {outbox.dropped} dropped")
    for task in done:
        task.result()  # raises what ended it, if anything did
    return 1 if len(outbox) or outbox.dropped else 0


def read_config() -> dict[str, Any]:
    """Read the settings; end with words where a file is missing."""
    config: dict[str, Any] = json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))
    for name in ("private_key", "certificate", "root_ca"):
        if not (FOLDER / config[name]).is_file():
            sys.exit(f"{config[name]} is missing: README.md says where it comes from")
    return config


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two bodies")
    parser.add_argument("--count", type=int, help="bodies to send; for ever if left out")
    options = parser.parse_args()
    sys.exit(asyncio.run(run(every=options.every, count=options.count)))
