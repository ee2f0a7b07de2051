"""The measuring of `make bench-worker`: a model of known rate, and what is counted of its calls."""

import time

import pytest
from penstock.channels.readings import CHANNEL, reading_columns, reading_rows
from penstock.domain.time import SECOND, Micros

from benchmarks.worker import rows_per_second
from benchmarks.worker_load import Feed, Load
from benchmarks.worker_model import FULL_BATCH, WORKERS, Call, Pace


@pytest.mark.parametrize("rate", [2_000, 20_000])
def test_full_batches_come_to_the_rate_of_a_model(rate: int) -> None:
    pace = Pace(rate)
    assert pace.capacity(FULL_BATCH) * FULL_BATCH == pytest.approx(rate)
    assert pace.seconds(1) > 0.005


def test_small_calls_waste_what_a_call_costs() -> None:
    assert Pace(20_000).capacity(10) * 10 < 6_000


def test_a_call_under_way_counts_by_its_progress() -> None:
    lockstep = [Call(turn, turn + 1, 100) for turn in range(4) for _ in range(WORKERS)]
    assert rows_per_second(lockstep, until=4) == 400
    assert rows_per_second(lockstep, until=2.5) == 400


def test_a_worker_that_idles_is_seen() -> None:
    assert rows_per_second([Call(0, 1, 100), Call(3, 4, 100)], until=4) == 50


def test_a_scan_becomes_as_many_readings_as_an_asset_has_tags() -> None:
    load = Load(rows=20, rows_per_message=10, tags=3, per_second=2)
    first, second = load.messages(Micros(SECOND))
    assert (first.due, second.due) == (SECOND, 1.5 * SECOND)
    readings = list(reading_rows(reading_columns(CHANNEL.decode(first.body))))
    assert len(readings) == 30
    assert {(at, accepted_at) for _, at, accepted_at, *_ in readings} == {(SECOND, SECOND)}
    assert first.request.count(b"\n") == 9


async def test_a_message_is_shown_only_once_it_is_due() -> None:
    now = Micros(time.time_ns() // 1_000)
    load = Load(rows=20, rows_per_message=10, tags=1, per_second=0.01)
    feed = Feed(load.messages(now))
    (shown,) = await feed.receive(at_most=10, wait_seconds=0.001)
    assert await feed.receive(at_most=10, wait_seconds=0.001) == []
    assert (shown.message.due, feed.empty_since) == (now, 0)
