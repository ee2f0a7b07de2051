"""A gateway pushes over HTTP: to an endpoint that is well, that is not, and over a bad line."""

import asyncio
import json
import time
from collections import Counter
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from penstock_local.faults.proxy import FaultProxy
from penstock_local.faults.rules import Fault
from penstock_local.plant.delivery import Patience, Sender, Tally
from penstock_local.plant.feeds import AirQualityFeed, Feed, PlantFeed, SequenceFeed
from penstock_local.plant.layout import Plant
from penstock_local.plant.pushing import Bounds, Line, Outages, Pusher, SimulatedClock
from penstock_local.plant.sender_log import SenderLog

from tests.integration.plant.endpoint import Endpoint, receiving

PLANT = Plant(machines=2)
HASTY = Patience(timeout_seconds=0.5, first_wait_seconds=0.02, longest_wait_seconds=0.1)
PATIENT = Patience(timeout_seconds=60, first_wait_seconds=0.02, longest_wait_seconds=0.1)
"""Takes a slow answer for no lost one."""
HALF_A_SECOND = Bounds(seconds=0.5, drain_seconds=60)
QUICK = Line(every_seconds=0.05)
T0 = 1_767_225_600_000


def plant_feed() -> PlantFeed:
    return PlantFeed(PLANT, PLANT.assets(), T0, "gw-7", readings_per_post=50)


async def push(
    url: str,
    log: Path,
    *,
    feed: Feed | None = None,
    patience: Patience = PATIENT,
    bounds: Bounds = HALF_A_SECOND,
    line: Line = QUICK,
    speed: float = 60.0,
) -> Tally:
    async with aiohttp.ClientSession() as session:
        with SenderLog(log) as sender_log:
            sender = Sender(
                session,
                url,
                gateway="gw-7",
                headers={"X-API-Key": "psk_gw-7_s"},
                patience=patience,
                log=sender_log,
            )
            clock = SimulatedClock.start(T0, speed)
            return await Pusher(feed or plant_feed(), sender, clock, bounds, line).run()


def lines_of(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def delivered(log: Path) -> Counter[tuple[str, str]]:
    return Counter(
        (reading["tag"], reading["at"])
        for line in lines_of(log)
        if line["status"] == 200
        for reading in line["readings"]
    )


async def test_everything_is_sent_once_and_logged(tmp_path: Path) -> None:
    log = tmp_path / "sent.jsonl"
    async with receiving(Endpoint()) as endpoint:
        tally = await push(endpoint.url, log)
    assert tally.delivered == tally.accepted == sum(endpoint.readings.values()) > 100
    assert (tally.refused, tally.lost, tally.undelivered) == (0, 0, 0)
    assert set(endpoint.readings.values()) == {1}
    assert sum(delivered(log).values()) == tally.delivered
    first = lines_of(log)[0]
    assert set(first) == {
        "request_id", "gateway", "attempt", "sent_at", "answered_at", "status", "error",
        "answer", "readings",
    }  # fmt: skip
    assert first["answer"]["accepted"] == len(first["readings"])
    assert set(first["readings"][0]) == {"tag", "value", "quality", "at"}
    assert endpoint.headers[0]["X-API-Key"] == "psk_gw-7_s"
    assert endpoint.headers[0]["X-Request-ID"] == first["request_id"]


async def test_refusals_that_pass_are_tried_again_and_order_is_kept(tmp_path: Path) -> None:
    def busy(number: int) -> web.Response | None:
        if number % 3 == 1:
            return web.Response(status=503, headers={"Retry-After": "0"})
        return web.Response(status=429) if number % 3 == 2 else None

    log = tmp_path / "sent.jsonl"
    async with receiving(Endpoint(on_post=busy)) as endpoint:
        tally = await push(endpoint.url, log)
    assert tally.delivered == sum(endpoint.readings.values()) > 100
    assert tally.posts == len(endpoint.posts) == len(lines_of(log))
    assert [line["attempt"] for line in lines_of(log)[:6]] == [1, 2, 3, 1, 2, 3]
    assert len({line["request_id"] for line in lines_of(log)[:3]}) == 1
    times = [at for line in lines_of(log) if line["status"] == 200 for at in _times(line)]
    assert times == sorted(times)


def _times(line: dict[str, Any]) -> list[str]:
    return [reading["at"] for reading in line["readings"]]


async def test_what_is_refused_for_good_is_not_sent_again(tmp_path: Path) -> None:
    def wrong_key(_number: int) -> web.Response:
        return web.json_response({"error": "unknown key"}, status=401)

    log = tmp_path / "sent.jsonl"
    async with receiving(Endpoint(on_post=wrong_key)) as endpoint:
        tally = await push(endpoint.url, log, bounds=Bounds(posts=3, drain_seconds=60))
    assert tally.posts == 3
    assert tally.refused > 0
    assert {line["answer"]["error"] for line in lines_of(log)} == {"unknown key"}


async def test_without_a_buffer_a_body_is_given_up_after_its_attempts(tmp_path: Path) -> None:
    patience = Patience(timeout_seconds=30, first_wait_seconds=0.01, attempts=4)
    log = tmp_path / "sent.jsonl"
    async with receiving(Endpoint(on_post=lambda _: web.Response(status=500))) as endpoint:
        tally = await push(
            endpoint.url, log, patience=patience, bounds=Bounds(posts=2, drain_seconds=60)
        )
    assert tally.posts == 8
    assert tally.lost > 0
    assert tally.delivered == 0


async def test_what_is_left_when_the_time_is_over_is_told(tmp_path: Path) -> None:
    log = tmp_path / "sent.jsonl"
    tally = await push("http://127.0.0.1:1/", log, bounds=Bounds(posts=2, drain_seconds=1))
    assert tally.undelivered > 0
    assert tally.delivered == 0
    assert {line["status"] for line in lines_of(log)} == {None}
    assert all("Connect" in line["error"] for line in lines_of(log))


async def test_after_an_outage_the_buffer_comes_in_a_burst_oldest_first(tmp_path: Path) -> None:
    log = tmp_path / "sent.jsonl"
    async with receiving(Endpoint()) as endpoint:
        tally = await push(
            endpoint.url,
            log,
            bounds=Bounds(seconds=1.5, drain_seconds=60),
            line=Line(Outages(every_seconds=1.0, down_seconds=0.7), every_seconds=0.05),
        )
    assert tally.delivered == sum(endpoint.readings.values()) > 100
    sent = [datetime.fromisoformat(line["sent_at"]) for line in lines_of(log)]
    silence = [(after - before).total_seconds() for before, after in pairwise(sent)]
    assert max(silence) > 0.5
    # Right after the silence come bodies that had to wait, and come at once.
    assert min(silence[silence.index(max(silence)) + 1 :]) < 0.04
    times = [at for line in lines_of(log) for at in _times(line)]
    assert times == sorted(times)


@pytest.mark.parametrize("kind", ["drop", "cut", "delay", "error", "throttle", "duplicate"])
async def test_nothing_is_lost_over_a_bad_line(tmp_path: Path, kind: str) -> None:
    log = tmp_path / "sent.jsonl"
    fault = {"kind": kind, "probability": 0.4, "when": "after", "seconds": 0.7}
    async with (
        receiving(Endpoint()) as endpoint,
        FaultProxy(target=endpoint.url.removesuffix("/v1/readings"), seed=3) as proxy,
    ):
        proxy.set(Fault.model_validate(fault | {"count": 2}))
        tally = await push(f"{proxy.url}/v1/readings", log, patience=HASTY)
    assert tally.undelivered == tally.lost == tally.refused == 0
    assert sum(delivered(log).values()) == tally.delivered == len(endpoint.readings)
    assert proxy.hits[kind] > 0
    # The endpoint heard some of them twice: that is what it must be ready for.
    assert max(endpoint.readings.values()) > 1


async def test_sequences_and_air_quality_are_pushed_too(tmp_path: Path) -> None:
    bounds = Bounds(posts=10, drain_seconds=60)
    async with receiving(Endpoint()) as endpoint:
        sequences = tmp_path / "sequences.jsonl"
        await push(endpoint.url, sequences, feed=SequenceFeed(7, T0, "m"), bounds=bounds)
        air = tmp_path / "air.jsonl"
        await push(endpoint.url, air, feed=AirQualityFeed(7, T0), bounds=bounds)
    assert len(endpoint.posts) == 20
    assert set(endpoint.posts[0]) == {"timestamp", "sensor", "model", "data"}
    assert endpoint.posts[10]["sensor"] == "air-01"
    (reading,) = lines_of(sequences)[0]["readings"]
    assert (reading["tag"], reading["value"]) == ("sensor-1", endpoint.posts[0]["data"])
    assert lines_of(air)[0]["readings"][0]["tag"] == "/air-01/ozone"


async def test_stop_ends_production_and_the_buffer_is_still_delivered(tmp_path: Path) -> None:
    async with receiving(Endpoint()) as endpoint, aiohttp.ClientSession() as session:
        with SenderLog(None) as log:
            sender = Sender(
                session, endpoint.url, gateway="g", headers={}, patience=PATIENT, log=log
            )
            pusher = Pusher(
                plant_feed(), sender, SimulatedClock.start(T0, 60), Bounds(), Line(every_seconds=9)
            )
            running = asyncio.create_task(pusher.run())
            await asyncio.sleep(0)
            started = time.monotonic()
            pusher.stop.set()
            tally = await running
    assert time.monotonic() - started < 5
    assert tally.undelivered == 0
