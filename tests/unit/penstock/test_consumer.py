"""The consumer's promises, each told as what happened one night."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from penstock.adapters.memory import MemoryDelivery, MemoryQueue
from penstock.channel import CANARY, Envelope
from penstock.domain.errors import InvalidInput, StoreUnavailable
from penstock.domain.time import Micros
from penstock.ports import Delivery
from penstock.runtime.consumer import Consumer, Guard
from penstock.runtime.dead_letter_limit import DeadLetterLimit
from penstock.runtime.lifecycle import Stop
from penstock.runtime.telemetry import Metrics

from tests.fixtures.waiting import PATIENCE_SECONDS, until

Handle = Callable[[Delivery], Awaitable[None]]


@contextlib.asynccontextmanager
async def consuming(
    queue: MemoryQueue,
    handle: Handle,
    *,
    stop: Stop | None = None,
    concurrency: int = 4,
    visibility_seconds: float = 60.0,
    drain_seconds: float = 0.2,
    wait_seconds: float = 0.02,
    guard: Guard | None = None,
    may_die: DeadLetterLimit | None = None,
    trial_seconds: float = 0.005,
) -> AsyncIterator[Stop]:
    stop = stop or Stop()
    consumer = Consumer(
        queue,
        handle,
        queue=queue.name,
        stop=stop,
        metrics=Metrics("test"),
        concurrency=concurrency,
        visibility_seconds=visibility_seconds,
        wait_seconds=wait_seconds,
        drain_seconds=drain_seconds,
        guard=guard,
        probe_seconds=0.005,
        may_die=may_die,
        trial_seconds=trial_seconds,
    )
    task = asyncio.create_task(consumer.run())
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(task, PATIENCE_SECONDS)


async def test_every_message_is_handled_and_acked() -> None:
    queue = MemoryQueue()
    await queue.publish([str(n) for n in range(25)])
    seen: list[str] = []

    async def handle(delivery: Delivery) -> None:
        seen.append(delivery.body)

    async with consuming(queue, handle):
        await until(lambda: not queue.bodies)
    assert sorted(seen, key=int) == [str(n) for n in range(25)]


async def test_stop_while_all_slots_are_busy_ends_within_the_drain() -> None:
    queue = MemoryQueue()
    await queue.publish(["a", "b", "c"])
    started = asyncio.Semaphore(0)

    async def handle(delivery: Delivery) -> None:
        started.release()
        await asyncio.Event().wait()

    async with consuming(queue, handle, concurrency=2, drain_seconds=0.05):
        await started.acquire()
        await started.acquire()
    assert len(queue.bodies) == 3
    deliveries = await queue.receive(at_most=10, wait_seconds=0)
    assert len(deliveries) == 3, "abandoned deliveries are visible to others at once"


async def test_never_receives_more_than_it_can_start() -> None:
    queue = MemoryQueue()
    await queue.publish([str(n) for n in range(9)])
    running = 0
    most = 0
    release = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1

    async with consuming(queue, handle, concurrency=3):
        await until(lambda: running == 3)
        left = await queue.receive(at_most=10, wait_seconds=0)
        assert len(left) == 6, "what could not start was left for others"
        release.set()
    assert most == 3


async def test_a_failing_ack_does_not_end_the_loop() -> None:
    class StubbornDelivery(MemoryDelivery):
        async def ack(self) -> None:
            if self.receive_count == 1:
                raise StoreUnavailable("the broker is away")
            await super().ack()

    class StubbornQueue(MemoryQueue):
        async def receive(self, *, at_most: int, wait_seconds: float) -> Sequence[Delivery]:
            found = await super().receive(at_most=at_most, wait_seconds=wait_seconds)
            return [
                StubbornDelivery(self, d._message, d._receipt)
                for d in found
                if isinstance(d, MemoryDelivery)
            ]

    queue = StubbornQueue(visibility_seconds=0.02)
    await queue.publish(["a"])
    handled: list[str] = []

    async def handle(delivery: Delivery) -> None:
        handled.append(delivery.body)

    async with consuming(queue, handle):
        await until(lambda: not queue.bodies)
    assert len(handled) >= 2, "it came again, and that is harmless"


async def test_a_crash_between_work_and_ack_brings_the_message_again() -> None:
    queue = MemoryQueue(visibility_seconds=0.2)
    await queue.publish(["a"])
    (delivery,) = await queue.receive(at_most=1, wait_seconds=0)
    done: list[str] = [delivery.body]  # the work is done, and then the process is killed

    async def handle(again: Delivery) -> None:
        done.append(again.body)

    async with consuming(queue, handle):
        await until(lambda: not queue.bodies)
    assert done == ["a", "a"]


async def test_a_long_poll_that_answers_after_stop_is_given_back() -> None:
    class SlowPoll(MemoryQueue):
        asked = asyncio.Event()
        answer = asyncio.Event()

        async def receive(self, *, at_most: int, wait_seconds: float) -> Sequence[Delivery]:
            self.asked.set()
            await self.answer.wait()
            return await super().receive(at_most=at_most, wait_seconds=0)

    queue = SlowPoll()
    await queue.publish(["late"])
    handled: list[str] = []

    async def handle(delivery: Delivery) -> None:
        handled.append(delivery.body)

    async with consuming(queue, handle) as stop:
        await queue.asked.wait()
        stop.set()
        queue.answer.set()
    assert handled == []
    (again,) = await queue.receive(at_most=1, wait_seconds=0)
    assert again.receive_count == 2, "visible at once, not after its visibility timeout"


async def test_a_slow_delivery_is_kept_invisible() -> None:
    queue = MemoryQueue(visibility_seconds=1.5)
    await queue.publish(["slow"])
    handled = 0
    finish = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        nonlocal handled
        handled += 1
        await finish.wait()

    async with consuming(queue, handle, visibility_seconds=1.5):
        await until(lambda: handled == 1)
        assert await queue.receive(at_most=1, wait_seconds=2) == []
        finish.set()
        await until(lambda: not queue.bodies)
    assert handled == 1


async def test_one_bad_message_in_ten_is_dead_lettered_alone() -> None:
    queue = MemoryQueue()
    await queue.publish([str(n) for n in range(10)])

    async def handle(delivery: Delivery) -> None:
        if delivery.body == "7":
            raise InvalidInput("no such frame")

    async with consuming(queue, handle):
        await until(lambda: not queue.bodies)
    assert queue.dead_letters == [("7", "InvalidInput: no such frame")]


async def test_a_version_that_can_read_nothing_does_not_empty_the_queue_into_the_bin() -> None:
    queue = MemoryQueue()
    await queue.publish([str(n) for n in range(60)])
    is_broken = True
    refused = 0

    async def handle(delivery: Delivery) -> None:
        nonlocal refused
        if is_broken:
            refused += 1
            raise InvalidInput("version 3 is not known here")

    limit = DeadLetterLimit(share=0.5, least=20)
    async with consuming(queue, handle, may_die=limit):
        await until(lambda: refused >= 30)
        assert len(queue.dead_letters) == 19, "the twentieth made it too many"
        is_broken = False
        await until(lambda: not queue.bodies)
    assert len(queue.dead_letters) == 19
    assert not limit.is_tripped, "one that came through was enough"


async def test_a_bad_message_tried_first_does_not_hold_up_the_good_ones_behind_it() -> None:
    queue = MemoryQueue()
    await queue.publish([*["bad"] * 12, *["good"] * 40])

    async def handle(delivery: Delivery) -> None:
        if delivery.body == "bad":
            raise InvalidInput("never")

    async with consuming(queue, handle, may_die=DeadLetterLimit(share=0.5, least=10)):
        await until(lambda: "good" not in queue.bodies)


async def test_stop_is_not_kept_waiting_by_a_trial() -> None:
    queue = MemoryQueue()
    await queue.publish(["bad"] * 5)

    async def handle(delivery: Delivery) -> None:
        raise InvalidInput("never")

    limit = DeadLetterLimit(share=0.5, least=2)
    async with consuming(queue, handle, may_die=limit, trial_seconds=3600):
        await until(lambda: limit.is_tripped)
    assert queue.bodies == ["bad"] * 4


async def test_while_the_dependency_is_down_nothing_is_received() -> None:
    queue = MemoryQueue()
    await queue.publish([str(n) for n in range(5)])
    is_down = True
    handled: list[int] = []

    async def handle(delivery: Delivery) -> None:
        if is_down:
            raise StoreUnavailable("aurora is away", retry_after_seconds=0.01)
        handled.append(delivery.receive_count)

    pings = 0

    async def guard() -> None:
        nonlocal pings
        pings += 1
        if is_down:
            raise StoreUnavailable("aurora is away")

    async with consuming(queue, handle, guard=guard, concurrency=2):
        await until(lambda: pings >= 20)
        is_down = False
        await until(lambda: not queue.bodies)
    assert len(handled) == 5
    assert max(handled) <= 3, "receive counts hardly rose: the outage was probed, not hammered"


async def test_a_broker_that_does_not_answer_is_asked_again() -> None:
    class Flaky(MemoryQueue):
        failures = 1

        async def receive(self, *, at_most: int, wait_seconds: float) -> Sequence[Delivery]:
            if self.failures:
                self.failures -= 1
                raise StoreUnavailable("no route")
            return await super().receive(at_most=at_most, wait_seconds=wait_seconds)

    queue = Flaky()
    await queue.publish(["a"])

    async def handle(delivery: Delivery) -> None:
        return

    async with consuming(queue, handle):
        await until(lambda: not queue.bodies)


async def test_a_canary_is_acked_unread() -> None:
    queue = MemoryQueue()
    canary = Envelope(version=1, id="c", created_at=Micros(1), kind=CANARY)
    import msgspec

    await queue.publish([msgspec.json.encode(canary).decode()])

    async def handle(delivery: Delivery) -> None:
        pytest.fail("a canary reached the handler")

    async with consuming(queue, handle):
        await until(lambda: not queue.bodies)
    assert queue.dead_letters == []
