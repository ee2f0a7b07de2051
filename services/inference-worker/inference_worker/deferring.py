"""Rows that cannot be answered now: to the queue that waits, or in the end to people."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from penstock.channels.deferred import CHANNEL, VERSION, DeferredMessage, FrameRow
from penstock.domain.errors import StoreUnavailable
from penstock.domain.time import DAY, HOUR, SECOND, Micros
from penstock.ports import Clock, Publisher
from penstock.runtime.clock import new_id
from penstock.runtime.telemetry import Metrics

from inference_worker.asking import Deferred

_ROWS_PER_MESSAGE = 200
_MESSAGE_BYTES = 256 * 1024


class DeadLetters(Protocol):
    """Keeps what was given up, with the reason, for people."""

    async def dead_letter(self, body: str, *, reason: str) -> None:
        """Keep one body; raise Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class DeferringLimits:
    """How long and how many rows may wait for an endpoint."""

    longest: Micros = DAY
    rows_per_hour: int = 1_000_000
    first_pause_seconds: float = 2.0
    longest_pause_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Redriven:
    """Where rows come from that were deferred before: the pause grows, the age counts on."""

    attempts: int = 0
    first_at: Micros | None = None


class Deferring:
    """Sends rows to the queue `deferred`, or to its dead letters."""

    def __init__(
        self,
        queue: Publisher,
        dead_letters: DeadLetters,
        clock: Clock,
        metrics: Metrics,
        *,
        limits: DeferringLimits | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        """Keep the queue."""
        self._queue = queue
        self._dead_letters = dead_letters
        self._clock = clock
        self._metrics = metrics
        self._limits = limits or DeferringLimits()
        self._jitter = jitter or random.Random()  # noqa: S311 -- spreads retries, keeps no secret
        self._hour = 0
        self._rows_this_hour: dict[str, int] = {}

    async def defer(
        self, rows: Sequence[tuple[FrameRow, Deferred]], redriven: Redriven
    ) -> list[bool]:
        """Let rows wait; tell of each whether it does, or was given up: too old, or too many."""
        does_wait = [True] * len(rows)
        bodies: list[str] = []
        for (endpoint, why), positions in _by_reason(rows).items():
            group = [rows[position][0] for position in positions]
            given_up = self._given_up(endpoint, len(group), redriven)
            if given_up:
                await self.give_up(group, f"{given_up}: {why.reason}")
                for position in positions:
                    does_wait[position] = False
                continue
            self._metrics.count("rows_deferred", len(group), endpoint=endpoint)
            bodies += self._bodies(group, why.reason, redriven, self._company(why, redriven))
        await _publish_all(self._queue, bodies)
        return does_wait

    async def give_up(self, rows: Sequence[FrameRow], reason: str) -> None:
        """Keep rows for people, who see them and the reason, and may send them again."""
        for endpoint, group in _by_endpoint(rows).items():
            self._metrics.count("rows_dead", len(group), endpoint=endpoint)
            for body in self._bodies(group, reason, Redriven(), _ROWS_PER_MESSAGE):
                await self._dead_letters.dead_letter(body, reason=reason)

    def _given_up(self, endpoint: str, count: int, redriven: Redriven) -> str:
        now = self._clock.now()
        if redriven.first_at is not None and now - redriven.first_at > self._limits.longest:
            return "waited too long for its endpoint"
        if redriven.attempts:
            return ""
        if now // HOUR != self._hour:
            self._hour, self._rows_this_hour = now // HOUR, {}
        known = self._rows_this_hour.get(endpoint, 0)
        if known + count > self._limits.rows_per_hour:
            return "too many rows wait for this endpoint"
        self._rows_this_hour[endpoint] = known + count
        return ""

    def _company(self, why: Deferred, redriven: Redriven) -> int:
        """Rows per message: where one of them spoils the rest, ever fewer until it stands alone."""
        if not why.is_refusal:
            return _ROWS_PER_MESSAGE
        return max(1, _ROWS_PER_MESSAGE >> min(2 * redriven.attempts + 2, 16))

    def _bodies(
        self, rows: Sequence[FrameRow], reason: str, redriven: Redriven, company: int
    ) -> list[str]:
        pause = min(
            self._limits.first_pause_seconds * 2 ** min(redriven.attempts, 16),
            self._limits.longest_pause_seconds,
        )
        now = self._clock.now()
        not_before = now + round(pause * self._jitter.uniform(0.75, 1.25) * SECOND)
        bodies: list[str] = []
        for start in range(0, len(rows), company):
            message = DeferredMessage(
                version=VERSION,
                id=new_id(self._clock),
                created_at=redriven.first_at or now,
                attempts=redriven.attempts + 1,
                trace=rows[start].trace,
                endpoint=rows[start].endpoint,
                not_before=Micros(not_before),
                reason=reason[:500],
                rows=list(rows[start : start + company]),
            )
            body = CHANNEL.encode(message)
            if len(body) > _MESSAGE_BYTES and company > 1:
                return self._bodies(rows, reason, redriven, company // 2)
            bodies.append(body)
        return bodies


def _by_reason(
    rows: Sequence[tuple[FrameRow, Deferred]],
) -> dict[tuple[str, Deferred], list[int]]:
    groups: dict[tuple[str, Deferred], list[int]] = {}
    for position, (row, why) in enumerate(rows):
        groups.setdefault((row.endpoint, why), []).append(position)
    return groups


def _by_endpoint(rows: Iterable[FrameRow]) -> dict[str, list[FrameRow]]:
    groups: dict[str, list[FrameRow]] = {}
    for row in rows:
        groups.setdefault(row.endpoint, []).append(row)
    return groups


async def _publish_all(queue: Publisher, bodies: Sequence[str]) -> None:
    if not bodies:
        return
    failed = [outcome.error for outcome in await queue.publish(bodies) if not outcome.is_durable]
    if failed:
        raise StoreUnavailable(f"{len(failed)} messages were not taken: {failed[0]}")
