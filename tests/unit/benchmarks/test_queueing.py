"""The counting of `make bench-queue`: what is billed, and a clock that jumps over waiting."""

import asyncio
import contextlib
import time
from typing import Any, cast

import pytest
from penstock.adapters.sqs import SqsReceiver
from penstock_client.cost.prices import load_prices

from benchmarks.queueing import door
from benchmarks.queueing.billing import (
    Bill,
    deleted_together,
    one_message_each,
    published,
    received_full,
    units_of,
)
from benchmarks.queueing.broker import ROUND_TRIP_SECONDS, Queue, Sent
from benchmarks.queueing.load import Plant
from benchmarks.queueing.loop import run

KIB = 1024


@pytest.mark.parametrize(
    ("size", "units"),
    [(0, 1), (1, 1), (64 * KIB, 1), (64 * KIB + 1, 2), (128 * KIB, 2), (256 * KIB, 4)],
)
def test_a_request_is_billed_per_begun_64_kib(size: int, units: int) -> None:
    assert units_of(size) == units


def test_each_published_message_is_billed_by_itself() -> None:
    assert published([10, 10, 65 * KIB]) == 1 + 1 + 2


@pytest.mark.parametrize(
    ("sizes", "limit", "units"),
    [
        ([], 1024, 0),
        ([1] * 10, 1024, 1),
        ([1] * 11, 1024, 2),
        ([50 * KIB] * 10, 1024, 8),  # 500 KiB in one call
        ([50 * KIB] * 10, 256, 8),  # 250 and 250 KiB: 4 and 4
        ([50 * KIB] * 10, 100, 10),  # 100 KiB a call: 2 each
        ([200 * KIB], 100, 4),  # one that is over the limit comes alone
    ],
)
def test_a_full_receive_holds_ten_messages_or_what_the_limit_allows(
    sizes: list[int], limit: int, units: int
) -> None:
    assert received_full(sizes, limit=limit * KIB) == units


def test_deletes_travel_by_ten_where_they_do() -> None:
    assert [deleted_together(n) for n in (0, 1, 10, 11)] == [0, 1, 1, 2]


def test_the_rival_sends_each_reading_and_both_subscribers_receive_and_delete_by_ten() -> None:
    assert one_message_each([100] * 1_000, subscribers=2) == Bill(1_000, 200, 200)
    assert one_message_each([100] * 1_005, subscribers=2) == Bill(1_005, 202, 202)
    assert one_message_each([100] * 1_000, subscribers=2, published_by=10) == Bill(100, 200, 200)
    heavy = one_message_each([20 * KIB] * 10, subscribers=1, published_by=10)
    assert heavy == Bill(4, 4, 1)


def test_a_bill_is_the_prices_of_both_services_per_million_readings() -> None:
    prices = load_prices()
    bill = Bill(publishes=2, receives=3, deletes=4).per_million(500_000)
    assert bill == Bill(4, 6, 8)
    assert bill.units == 18
    sns, sqs = prices["sns-publish"], prices["sqs-request"]
    assert bill.dollars(prices) == pytest.approx(4 * sns.usd / sns.per + 14 * sqs.usd / sqs.per)


def test_an_hour_of_waiting_takes_no_time_and_work_takes_its_own() -> None:
    async def story() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3_600):  # of the loop's own clock
                await asyncio.Event().wait()
        waited = loop.time()
        began = time.process_time()
        while time.process_time() - began < 0.02:
            pass
        return waited, loop.time() - waited

    started = time.monotonic()
    waited, worked = run(story())
    assert 3_600 <= waited < 3_610
    assert 0.02 <= worked < 0.5
    assert time.monotonic() - started < 60


def test_who_waits_for_what_never_comes_is_told() -> None:
    async def story() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="nothing will ever come"):
        run(story())


def test_a_queue_bills_what_our_receiver_asks_of_it() -> None:
    async def story() -> Bill:
        # Twelve that are there and one that comes later; a receive holds ten.
        queue = Queue([*[Sent(0.0, "x" * 20 * KIB)] * 12, Sent(5.0, "late")])
        receiver = SqsReceiver(cast("Any", queue), "https://queue")
        for expected in (10, 2, 1):
            deliveries = await receiver.receive(at_most=10, wait_seconds=10)
            assert len(deliveries) == expected
            for delivery in deliveries:
                await delivery.ack()
        assert queue.is_empty.is_set()
        assert not await receiver.receive(at_most=10, wait_seconds=10)
        assert asyncio.get_running_loop().time() > 15, "it came at its time, then nothing did"
        return queue.bill

    assert run(story()) == Bill(receives=4 + 1 + 1, deletes=13)


def test_a_body_alone_is_answered_after_linger_and_round_trip_and_none_is_lost() -> None:
    plant = Plant(100)
    arrivals = plant.arrivals(readings=600, per_second=10)  # one body in ten seconds
    told = door.answered(plant, arrivals[:3], arrivals[3:], linger_seconds=0.25)
    assert len(told.topic.sent) == told.topic.calls == told.topic.bill.publishes == 3
    least = 0.25 + ROUND_TRIP_SECONDS
    assert all(least <= seconds < least + 1 for seconds in told.latencies)


def test_every_tag_of_a_plant_comes_once_in_a_scan() -> None:
    plant = Plant(3_000)
    arrivals = plant.arrivals(readings=3_000, per_second=1_000)
    assert len({arrival.gateway for arrival in arrivals}) == 3
    told = b"".join(arrival.body for arrival in arrivals)
    tags = {part for part in told.decode().split('"') if part.startswith("/")}
    assert len(tags) == 3_000
    assert len(plant.context().assets) == 150
