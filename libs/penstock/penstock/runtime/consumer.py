"""The consumer loop: receive what fits, keep it alive, settle each delivery, drain on stop."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from penstock.channel import is_canary
from penstock.domain.errors import NotYet, PenstockError, Unavailable
from penstock.ports import Delivery, Receiver
from penstock.runtime.dead_letter_limit import DeadLetterLimit
from penstock.runtime.lifecycle import Stop
from penstock.runtime.retrying import Ack, DeadLetter, Retry, plan_retry
from penstock.runtime.telemetry import Metrics
from penstock.runtime.traceparent import trace_id_of, traceparent_in
from penstock.runtime.tracing import NO_TRACING, Attributes, Tracing, current_span

Handle = Callable[[Delivery], Awaitable[None]]
Guard = Callable[[], Awaitable[None]]

RECEIVE_AT_MOST = 10
"""SQS gives at most ten messages a call."""
_TRIALS_WITHOUT = 20
_RECEIVE_BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0)

log = structlog.get_logger()


class Consumer:
    """Reads one queue and hands each delivery to `handle`.

    Returning from `handle` acks; what it raises goes through `plan_retry`. With a `guard`, an
    Unavailable pauses the consumer: it receives nothing until the guard answers, so messages wait
    in the queue with their receive counts untouched instead of circling. With `may_die`, a message
    that cannot succeed is given up only while few do; once too many would be, they stay in the
    queue, and one is tried every `trial_seconds` until one succeeds.
    """

    def __init__(
        self,
        receiver: Receiver,
        handle: Handle,
        *,
        queue: str,
        stop: Stop,
        metrics: Metrics,
        concurrency: int = 10,
        visibility_seconds: float = 60.0,
        wait_seconds: float = 10.0,
        drain_seconds: float = 15.0,
        guard: Guard | None = None,
        probe_seconds: float = 1.0,
        may_die: DeadLetterLimit | None = None,
        trial_seconds: float = 30.0,
        jitter: random.Random | None = None,
        tracing: Tracing = NO_TRACING,
        trace_of: Callable[[str], str] = traceparent_in,
    ) -> None:
        """Wire a consumer; `run` starts it. `trace_of` finds the trace of a body."""
        self._receiver = receiver
        self._handle = handle
        self._queue = queue
        self._stop = stop
        self._metrics = metrics
        self._concurrency = concurrency
        self._visibility_seconds = visibility_seconds
        self._wait_seconds = wait_seconds
        self._drain_seconds = drain_seconds
        self._guard = guard
        self._probe_seconds = probe_seconds
        self._may_die = may_die or DeadLetterLimit(share=1.0, least=1)  # more than all never die
        self._trial_seconds = trial_seconds
        self._jitter = jitter or random.Random()  # noqa: S311 -- spreads retries, keeps no secret
        self._tracing = tracing
        self._trace_of = trace_of
        self._running: set[asyncio.Task[str]] = set()
        self._dependency_failed = False
        self._failed_receives = 0

    @property
    def is_paused(self) -> bool:
        """Whether the consumer waits: for its dependency, or since too many would die."""
        return self._dependency_failed or self._may_die.is_tripped

    async def run(self) -> None:
        """Consume until stop, then drain; nothing is left in flight when this returns."""
        stopping = asyncio.create_task(self._stop.wait(), name=f"{self._queue}.stopping")
        try:
            while not self._stop.is_set:
                if self._dependency_failed and self._guard is not None:
                    await self._wait_for_dependency(self._guard)
                elif self._may_die.is_tripped:
                    await self._try_one(stopping)
                else:
                    await self._receive_what_fits(stopping)
        finally:
            stopping.cancel()
            await self._drain()

    async def _receive_what_fits(self, stopping: "asyncio.Task[bool]") -> None:
        # Never receive what cannot start now: it would only burn its visibility timeout.
        free = self._concurrency - len(self._running)
        if free <= 0:
            await asyncio.wait({stopping, *self._running}, return_when=asyncio.FIRST_COMPLETED)
            return
        # Not raced against stop: the broker may already have marked these messages in flight.
        for delivery in await self._receive(min(free, RECEIVE_AT_MOST)):
            if self._stop.is_set or self.is_paused:
                await self._give_back(delivery)
            else:
                self._start(delivery)

    async def _try_one(self, stopping: "asyncio.Task[bool]") -> None:
        """Take one message after a while: each time another, until one succeeds."""
        if await self._stop.wait_for(self._trial_seconds):
            return
        for delivery in await self._receive(1):
            trial = self._start(delivery)
            await asyncio.wait({stopping, trial}, return_when=asyncio.FIRST_COMPLETED)
            if trial.done() and trial.result() in ("acked", "already_decided"):
                self._may_die.reset()
                self._resume()

    async def _receive(self, at_most: int) -> Sequence[Delivery]:
        try:
            deliveries = await self._receiver.receive(
                at_most=at_most, wait_seconds=self._wait_seconds
            )
        except Unavailable as error:
            self._metrics.count("receive_failures", queue=self._queue)
            delay = _RECEIVE_BACKOFF_SECONDS[
                min(self._failed_receives, len(_RECEIVE_BACKOFF_SECONDS) - 1)
            ]
            if self._failed_receives == 0:
                log.warning("receive.failed", queue=self._queue, error=str(error))
            self._failed_receives += 1
            await self._stop.wait_for(delay)
            return []
        self._failed_receives = 0
        return deliveries

    def _start(self, delivery: Delivery) -> "asyncio.Task[str]":
        task = asyncio.create_task(self._process(delivery), name=f"{self._queue}.delivery")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _process(self, delivery: Delivery) -> str:
        started = time.monotonic()
        heartbeat = asyncio.create_task(self._heartbeat(delivery), name=f"{self._queue}.heartbeat")
        try:
            outcome = await self._in_its_trace(delivery)
        except asyncio.CancelledError:
            # The drain ran out of patience: others may have the message now.
            heartbeat.cancel()
            await asyncio.shield(self._give_back(delivery))
            raise
        finally:
            heartbeat.cancel()
        self._metrics.count("deliveries", queue=self._queue, outcome=outcome)
        self._metrics.observe("delivery_seconds", time.monotonic() - started, queue=self._queue)
        return outcome

    async def _in_its_trace(self, delivery: Delivery) -> str:
        """Do it under the trace that the message carries; its log lines say which."""
        started = time.monotonic()
        trace = self._trace_of(delivery.body)
        context = {"queue": self._queue, "message_id": delivery.message_id}
        if trace:
            context["trace_id"] = trace_id_of(trace)  # also where nobody records it
        with (
            structlog.contextvars.bound_contextvars(**context),
            self._tracing.span(
                f"process {self._queue}",
                trace,
                kind="consumer",
                attributes=self._described(delivery),
            ) as span,
        ):
            outcome = await self._handle_and_settle(delivery)
            span.note({"penstock.outcome": outcome})
            duration_ms = round((time.monotonic() - started) * 1000, 1)
            log.info("delivery.settled", outcome=outcome, duration_ms=duration_ms,
                     receive_count=delivery.receive_count)  # fmt: skip
        return outcome

    def _described(self, delivery: Delivery) -> Attributes:
        return {
            "messaging.system": "aws_sqs",
            "messaging.operation.type": "process",
            "messaging.destination.name": self._queue,
            "messaging.message.id": delivery.message_id,
            "messaging.message.body.size": len(delivery.body),
            "penstock.receive_count": delivery.receive_count,
        }

    async def _handle_and_settle(self, delivery: Delivery) -> str:
        if is_canary(delivery.body):  # tells nothing of whether messages can be read
            return "canary" if await self._try(delivery.ack()) else "ack_failed"
        try:
            await self._handle(delivery)
        except Exception as error:  # noqa: BLE001 -- the delivery boundary: every error is settled
            return await self._settle_failure(delivery, error)
        if not self._may_die.is_tripped:
            self._may_die.admit(1, dead=0)
        return "acked" if await self._try(delivery.ack()) else "ack_failed"

    async def _settle_failure(self, delivery: Delivery, error: Exception) -> str:
        if isinstance(error, Unavailable) and not isinstance(error, NotYet):
            self._pause(error)
        action = plan_retry(error, delivery.receive_count, jitter=self._jitter)
        match action:
            case Ack():
                await self._try(delivery.ack())
                return "already_decided"
            case DeadLetter(reason=reason):
                current_span().fail(reason)
                return await self._give_up(delivery, reason)
            case Retry(delay_seconds=delay, is_bug=is_bug):
                # What only waits for something to be there is no failure.
                if not isinstance(error, NotYet):
                    current_span().fail(f"{type(error).__name__}: {error}")
                if is_bug:
                    log.error("delivery.failed", exc_info=error)
                else:
                    tell = log.debug if isinstance(error, NotYet) else log.warning
                    tell("delivery.retried", error=str(error), delay_seconds=delay)
                await self._try(delivery.nack(delay))
                return "failed" if is_bug else "retried"

    def _pause(self, error: Unavailable) -> None:
        if self._guard is None:
            return
        if not self._dependency_failed:
            log.warning("consumer.paused", queue=self._queue, error=str(error))
        self._dependency_failed = True
        self._metrics.gauge("consumer_paused", 1, queue=self._queue)

    async def _give_up(self, delivery: Delivery, reason: str) -> str:
        """Make it a dead letter; where too many would be, keep it in the queue."""
        was_tripped = self._may_die.is_tripped
        try:
            self._may_die.admit(1, dead=1)
        except Unavailable as error:
            if not was_tripped:
                log.warning("consumer.paused", queue=self._queue, error=str(error), reason=reason)
            self._metrics.gauge("consumer_paused", 1, queue=self._queue)
            # Away for many trials: each should see another message.
            await self._try(delivery.nack(_TRIALS_WITHOUT * self._trial_seconds))
            return "kept"
        log.warning("delivery.dead_lettered", reason=reason)
        await self._try(delivery.dead_letter(reason))
        return "dead_lettered"

    async def _wait_for_dependency(self, guard: Guard) -> None:
        if await self._stop.wait_for(self._probe_seconds):
            return
        try:
            await guard()
        except Unavailable:
            return
        self._dependency_failed = False
        self._resume()

    def _resume(self) -> None:
        self._metrics.gauge("consumer_paused", int(self.is_paused), queue=self._queue)
        if not self.is_paused:
            log.info("consumer.resumed", queue=self._queue)

    async def _heartbeat(self, delivery: Delivery) -> None:
        # From the receive on: the visibility timeout does not wait for a slow batch.
        while True:
            await asyncio.sleep(self._visibility_seconds / 3)
            await self._try(delivery.extend(self._visibility_seconds))

    async def _give_back(self, delivery: Delivery) -> None:
        await self._try(delivery.nack(0))

    async def _try(self, settling: Awaitable[None]) -> bool:
        # A settle that fails is no loss: the message comes again and its repeat is harmless.
        try:
            await settling
        except PenstockError as error:
            log.warning("settle.failed", queue=self._queue, error=str(error))
            return False
        return True

    async def _drain(self) -> None:
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=self._drain_seconds)
        for task in late:
            task.cancel()
        if late:
            log.warning("consumer.abandoned", queue=self._queue, count=len(late))
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(late, timeout=5.0)
