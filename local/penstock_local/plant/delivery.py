"""Bringing payloads to the endpoint as a gateway does: buffered, oldest first, retried.

N3uron's REST client waits 10 s for an answer and tries again a few times; with a buffer on its
disk (its Links and its Historian have one) nothing is given up.
"""

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import aiohttp
import msgspec

from penstock_local.plant.payloads import Payload
from penstock_local.plant.sender_log import SenderLog


class Outcome(Enum):
    DELIVERED = "delivered"
    REFUSED = "refused"  # it would be refused again, so it is not sent again
    AGAIN = "again"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a gateway waits and how often it tries."""

    timeout_seconds: float = 10.0
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 30.0
    attempts: int | None = None
    """None: until it is delivered, as with a buffer on disk; N3uron without one tries 1 + 3."""

    def wait_after(self, attempt: int, retry_after: float | None) -> float:
        """Return the pause after the given attempt, counted from 1."""
        if retry_after is not None:
            return min(retry_after, self.longest_wait_seconds)
        doubled = self.first_wait_seconds * 2.0 ** min(attempt - 1, 16)
        return min(doubled, self.longest_wait_seconds)


def judge_status(status: int | None) -> Outcome:
    """Tell from the status, None when there was no answer, what becomes of the payload."""
    if status is None or status in (408, 425, 429) or status >= 500:
        return Outcome.AGAIN
    return Outcome.DELIVERED if 200 <= status < 300 else Outcome.REFUSED


@dataclass(frozen=True, slots=True)
class Reply:
    """What one attempt came to."""

    status: int | None = None
    error: str | None = None
    body: Any = None
    retry_after: float | None = None


@dataclass
class Tally:
    """What was sent, in readings unless it says otherwise."""

    posts: int = 0
    delivered: int = 0
    accepted: int = 0
    """By the endpoint's own count, where it tells one."""
    refused: int = 0
    lost: int = 0
    """Given up after the last attempt, or pushed out of a full buffer."""
    undelivered: int = 0
    """Still buffered at the end."""


@dataclass
class Outbox:
    """Payloads that wait, oldest first; the oldest go when it holds too many readings."""

    capacity: int
    _waiting: deque[Payload] = field(default_factory=deque)
    _readings: int = 0

    def put(self, payload: Payload) -> list[Payload]:
        """Add a payload and return those that had to go for it."""
        self._waiting.append(payload)
        self._readings += len(payload.readings)
        pushed_out = []
        while self._readings > self.capacity and len(self._waiting) > 1:
            pushed_out.append(self.take())
        return pushed_out

    def take(self) -> Payload:
        payload = self._waiting.popleft()
        self._readings -= len(payload.readings)
        return payload

    @property
    def readings(self) -> int:
        return self._readings


class Sender:
    """POSTs payloads one after the other and keeps account."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        gateway: str,
        headers: dict[str, str],
        patience: Patience,
        log: SenderLog,
    ) -> None:
        self._session = session
        self._url = url
        self._gateway = gateway
        self._headers = headers
        self._patience = patience
        self._log = log
        self.tally = Tally()

    async def deliver(self, payload: Payload, until_up: Callable[[], Awaitable[None]]) -> None:
        """Send until it is delivered, refused or given up, while the line is up only."""
        attempt = 0
        # One id for all attempts: it is the payload's, not the attempt's.
        request_id = uuid.uuid4().hex
        while True:
            attempt += 1
            await until_up()
            reply = await self._attempt(payload, request_id, attempt)
            outcome = judge_status(reply.status)
            if outcome is not Outcome.AGAIN:
                self._count(payload, outcome, reply)
                return
            if attempt == self._patience.attempts:
                self.tally.lost += len(payload.readings)
                return
            await asyncio.sleep(self._patience.wait_after(attempt, reply.retry_after))

    async def _attempt(self, payload: Payload, request_id: str, attempt: int) -> Reply:
        sent_at = datetime.now(UTC)
        reply = await self._post(payload, request_id)
        self.tally.posts += 1
        self._log.write(
            {
                "request_id": request_id,
                "gateway": self._gateway,
                "attempt": attempt,
                "sent_at": sent_at,
                "answered_at": datetime.now(UTC) if reply.status is not None else None,
                "status": reply.status,
                "error": reply.error,
                "answer": reply.body,
                "readings": [reading.as_log() for reading in payload.readings],
            }
        )
        return reply

    async def _post(self, payload: Payload, request_id: str) -> Reply:
        headers = {"Content-Type": "application/json", "X-Request-Id": request_id, **self._headers}
        try:
            async with (
                asyncio.timeout(self._patience.timeout_seconds),
                self._session.post(
                    self._url, data=payload.body, headers=headers, allow_redirects=False
                ) as response,
            ):
                body = await response.read()
                retry_after = _seconds(response.headers.get("Retry-After"))
                return Reply(response.status, None, _decode(body), retry_after)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Reply(error=f"{type(error).__name__}: {error}")

    def _count(self, payload: Payload, outcome: Outcome, reply: Reply) -> None:
        count = len(payload.readings)
        if outcome is Outcome.REFUSED:
            self.tally.refused += count
            return
        self.tally.delivered += count
        if isinstance(reply.body, dict) and isinstance(reply.body.get("accepted"), int):
            self.tally.accepted += reply.body["accepted"]


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdigit() else None


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body.decode("utf-8", "replace")
