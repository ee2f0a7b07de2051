"""`push`: one gateway as a process."""

import asyncio
import json
import signal
import time
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

import aiohttp
import typer

from penstock_local.plant.delivery import Patience, Sender, Tally
from penstock_local.plant.feeds import AirQualityFeed, Feed, Lateness, PlantFeed, SequenceFeed
from penstock_local.plant.layout import Plant
from penstock_local.plant.options import (
    Heartbeat,
    Lines,
    Machines,
    ScanTime,
    Seed,
    Sites,
    Skew,
    SpareTags,
    milliseconds,
)
from penstock_local.plant.payloads import Shape
from penstock_local.plant.pushing import Bounds, Line, Outages, Pusher, SimulatedClock
from penstock_local.plant.samples import parse_time
from penstock_local.plant.sender_log import SenderLog

UNDELIVERED = 3


class Mode(Enum):
    PLANT = "plant"
    RANDOM_SEQUENCE = "random-sequence"
    AIR_QUALITY = "air-quality"


class KeyHeader(Enum):
    X_API_KEY = "X-API-Key"
    AUTHORIZATION = "Authorization"


def push(
    url: Annotated[
        str, typer.Argument(help="where to POST, e.g. http://127.0.0.1:8081/v1/readings")
    ],
    *,
    key: Annotated[str, typer.Option(help="gateway key", envvar="PENSTOCK_GATEWAY_KEY")] = "",
    key_header: Annotated[KeyHeader, typer.Option(help="header of the key")] = KeyHeader.X_API_KEY,
    mode: Annotated[Mode, typer.Option(help="what is sent")] = Mode.PLANT,
    shape: Annotated[Shape, typer.Option(help="of the plant's payloads")] = "compact",
    site: Annotated[str | None, typer.Option(help="this site's machines only")] = None,
    seed: Seed = 7,
    sites: Sites = 1,
    lines: Lines = 1,
    machines: Machines = 4,
    spare_tags: SpareTags = 0,
    scan: ScanTime = 1.0,
    heartbeat: Heartbeat = 60.0,
    skew: Skew = 0.0,
    sensors: Annotated[int, typer.Option(help="sensors of the other modes")] = 4,
    model: Annotated[str, typer.Option(help="model of the sequences")] = "serverlessendpoint",
    length: Annotated[
        int | None, typer.Option(help="numbers of a sequence; 3 to 10 if none")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="the plant's time at the start; now if none")
    ] = None,
    speed: Annotated[float, typer.Option(help="how fast the plant's time runs")] = 1.0,
    every: Annotated[float, typer.Option(help="seconds between looks at what is due")] = 1.0,
    seconds: Annotated[float | None, typer.Option(help="stop after this time")] = None,
    count: Annotated[int | None, typer.Option(help="stop after this many bodies")] = None,
    drain: Annotated[float, typer.Option(help="seconds to empty the buffer in at the end")] = 60.0,
    readings_per_post: Annotated[int, typer.Option(help="most readings of a body")] = 500,
    connections: Annotated[int, typer.Option(help="more than one lose the order")] = 1,
    buffer: Annotated[
        int, typer.Option(help="readings the buffer holds; the oldest go")
    ] = 1_000_000,
    attempts: Annotated[int | None, typer.Option(help="tries of a body; endless if none")] = None,
    timeout: Annotated[float, typer.Option(help="seconds to wait for an answer")] = 10.0,
    outage_every: Annotated[
        float, typer.Option(help="the line fails once in so many seconds")
    ] = 0.0,
    outage_for: Annotated[float, typer.Option(help="for so many seconds")] = 0.0,
    late_share: Annotated[float, typer.Option(help="share of the readings that come late")] = 0.0,
    late_by: Annotated[float, typer.Option(help="by so many seconds")] = 30.0,
    log: Annotated[Path | None, typer.Option(help="file for a line of JSON per POST")] = None,
) -> None:
    """POST readings to URL as a gateway does, and print what became of them as JSON.

    Ends with 0 if everything was delivered, with 3 if some readings were not.
    """
    plant = Plant(
        seed=seed,
        sites=sites,
        lines=lines,
        machines=machines,
        spare_tags=spare_tags,
        scan_ms=milliseconds(scan),
        heartbeat_ms=milliseconds(heartbeat),
        skew_ms=milliseconds(skew),
    )
    gateway = gateway_of_key(key)
    start_ms = time.time_ns() // 1_000_000 if start is None else parse_time(start)
    feed: Feed
    if mode is Mode.PLANT:
        assets = [asset for asset in plant.assets() if site in (None, asset.site)]
        late = Lateness(late_share, milliseconds(late_by))
        feed = PlantFeed(plant, assets, start_ms, gateway, shape, readings_per_post, late)
    elif mode is Mode.RANDOM_SEQUENCE:
        feed = SequenceFeed(seed, start_ms, model, sensors, length)
    else:
        feed = AirQualityFeed(seed, start_ms, sensors, milliseconds(every))
    run = _Run(
        url=url,
        gateway=gateway,
        headers=key_headers(key, key_header),
        patience=Patience(timeout_seconds=timeout, attempts=attempts),
        bounds=Bounds(seconds, count, drain),
        line=Line(Outages(outage_every, outage_for), min(every, 1.0), buffer, connections),
    )
    with SenderLog(log) as sender_log:
        tally = asyncio.run(run.push(feed, SimulatedClock.start(start_ms, speed), sender_log))
    typer.echo(json.dumps(asdict(tally)))
    if tally.undelivered or tally.lost or tally.refused:
        raise typer.Exit(UNDELIVERED)


@dataclass(frozen=True, slots=True)
class _Run:
    url: str
    gateway: str
    headers: dict[str, str]
    patience: Patience
    bounds: Bounds
    line: Line

    async def push(self, feed: Feed, clock: SimulatedClock, log: SenderLog) -> Tally:
        async with aiohttp.ClientSession() as session:
            sender = Sender(
                session,
                self.url,
                gateway=self.gateway,
                headers=self.headers,
                patience=self.patience,
                log=log,
            )
            pusher = Pusher(feed, sender, clock, self.bounds, self.line)
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, pusher.stop.set)
            return await pusher.run()


def gateway_of_key(key: str) -> str:
    """Return the gateway that a key `psk_<gateway>_<secret>` belongs to."""
    parts = key.split("_")
    return "_".join(parts[1:-1]) if len(parts) >= 3 else "gw-1"


def key_headers(key: str, header: KeyHeader) -> dict[str, str]:
    if not key:
        return {}
    return {header.value: f"Bearer {key}" if header is KeyHeader.AUTHORIZATION else key}
