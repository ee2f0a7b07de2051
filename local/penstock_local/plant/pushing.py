"""Push a feed: produce what is due, buffer it, send it, with outages of the line between."""

import asyncio
import contextlib
import math
import time
from dataclasses import dataclass

from penstock_local.plant.delivery import Outbox, Sender, Tally
from penstock_local.plant.feeds import Feed
from penstock_local.plant.payloads import Payload


@dataclass(frozen=True, slots=True)
class SimulatedClock:
    """Time of the plant: from `start_ms` on, `speed` times as fast as ours."""

    start_ms: int
    speed: float
    began: float

    @classmethod
    def start(cls, start_ms: int, speed: float) -> "SimulatedClock":
        return cls(start_ms, speed, time.monotonic())

    def now_ms(self) -> int:
        return self.start_ms + int(self.elapsed_seconds() * 1000 * self.speed)

    def elapsed_seconds(self) -> float:
        """Return how much of our own time has passed."""
        return time.monotonic() - self.began


@dataclass(frozen=True, slots=True)
class Outages:
    """The line to the endpoint is down for the last `down_seconds` of every `every_seconds`."""

    every_seconds: float = 0.0
    down_seconds: float = 0.0

    def wait_seconds(self, elapsed_seconds: float) -> float:
        """Return how long the line will stay down, 0 while it is up."""
        if self.every_seconds <= 0:
            return 0.0
        left = self.every_seconds - elapsed_seconds % self.every_seconds
        return left if left <= self.down_seconds else 0.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """When to stop producing, and how long the buffer may take to empty afterwards."""

    seconds: float | None = None
    posts: int | None = None
    """Bodies, each counted once however often it is sent."""
    drain_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Line:
    """How a gateway hands its payloads on."""

    outages: Outages = Outages()
    every_seconds: float = 1.0
    capacity: int = 1_000_000
    """Readings that its buffer holds."""
    connections: int = 1
    """More than one does not keep the order."""


class Pusher:
    """One gateway at work. Setting `stop` ends production, as reaching a bound does."""

    def __init__(
        self, feed: Feed, sender: Sender, clock: SimulatedClock, bounds: Bounds, line: Line
    ) -> None:
        self._feed = feed
        self._sender = sender
        self._clock = clock
        self._bounds = bounds
        self._line = line
        self._outbox = Outbox(line.capacity)
        self._changed = asyncio.Condition()
        self._ended = False
        self._in_hand = 0
        self.stop = asyncio.Event()

    async def run(self) -> Tally:
        """Push until a bound is reached and the buffer is empty, or its time is over."""
        tasks = [
            asyncio.create_task(self._send(), name=f"gateway-send-{number}")
            for number in range(self._line.connections)
        ]
        try:
            await self._produce()
            await self._end_production()
            await asyncio.wait(tasks, timeout=self._bounds.drain_seconds)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        self._sender.tally.undelivered = self._outbox.readings + self._in_hand
        return self._sender.tally

    async def _produce(self) -> None:
        produced = 0
        while True:
            for payload in self._feed.due(self._clock.now_ms()):
                if produced == self._bounds.posts:
                    return
                produced += 1
                await self._put(payload)
            left = math.inf
            if self._bounds.seconds is not None:
                left = self._bounds.seconds - self._clock.elapsed_seconds()
            if left <= 0 or self.stop.is_set():
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), min(self._line.every_seconds, left))

    async def _put(self, payload: Payload) -> None:
        async with self._changed:
            for pushed_out in self._outbox.put(payload):
                self._sender.tally.lost += len(pushed_out.readings)
            self._changed.notify()

    async def _end_production(self) -> None:
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def _send(self) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._outbox.readings or self._ended)
                if not self._outbox.readings:
                    return
                payload = self._outbox.take()
            self._in_hand += len(payload.readings)
            await self._sender.deliver(payload, self._until_up)
            self._in_hand -= len(payload.readings)

    async def _until_up(self) -> None:
        await asyncio.sleep(self._line.outages.wait_seconds(self._clock.elapsed_seconds()))
