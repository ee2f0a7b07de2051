"""A gateway of our own: posts bodies, retries what is worth it, and keeps a log of all it sent."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import httpx

from penstock_client.csv_rows import CsvRow, tag_of
from penstock_client.errors import ApiError, Unreachable

_WORTH_RETRYING = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Payload:
    """A body as a gateway sends it, and what stands in it, reading by reading, for the log."""

    body: object
    readings: Sequence[dict[str, object]]


@dataclass(slots=True)
class SendTotals:
    """What became of everything that was sent."""

    requests: int = 0
    retries: int = 0
    accepted: int = 0
    rejected_by_reason: dict[str, int] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        """Readings that were refused, for whatever reason."""
        return sum(self.rejected_by_reason.values())


class GatewaySender:
    """Posts to `/v1/readings` under one gateway's key.

    A request that got no answer, 429 or 5xx is sent again until `patience_seconds` are over:
    repeats are harmless. The log has one JSON line per request that was answered 200, with every
    reading in it (a sequence is a reading whose value is a list), for whoever checks afterwards.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        log: Path | None = None,
        patience_seconds: float = 120.0,
        wait: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open the connection pool and the log."""
        self._client = httpx.Client(
            base_url=url.rstrip("/"),
            headers={"authorization": f"Bearer {key}"},
            timeout=10.0,
            transport=transport,
        )
        self._log: TextIO | None = log.open("a", encoding="utf-8") if log else None
        self._patience_seconds = patience_seconds
        self._wait = wait
        self.totals = SendTotals()

    def __enter__(self) -> "GatewaySender":
        """Use as `with GatewaySender(...) as sender`."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections and the log."""
        self._client.close()
        if self._log:
            self._log.close()

    def send(self, payload: Payload) -> dict[str, Any]:
        """Send one payload until it is durable; raise ApiError where it is refused for good."""
        content = json.dumps(payload.body).encode()
        deadline = time.monotonic() + self._patience_seconds
        while True:
            sent_at = time.time()
            response = self._post(content, deadline)
            if response is not None and response.status_code == 200:
                return self._accepted(payload, response.json(), sent_at)
            if response is not None and response.status_code not in _WORTH_RETRYING:
                raise _refused(response)
            if time.monotonic() > deadline:
                raise _refused(response) if response is not None else Unreachable("gave up waiting")
            self.totals.retries += 1
            self._wait(_pause(response))

    def _post(self, content: bytes, deadline: float) -> httpx.Response | None:
        try:
            headers = {"content-type": "application/json"}
            return self._client.post("/v1/readings", content=content, headers=headers)
        except httpx.TransportError as error:
            if time.monotonic() > deadline:
                raise Unreachable(f"{self._client.base_url} does not answer: {error}") from error
            return None

    def _accepted(self, payload: Payload, answer: dict[str, Any], sent_at: float) -> dict[str, Any]:
        self.totals.requests += 1
        self.totals.accepted += int(answer["accepted"])
        for reason, count in answer.get("by_reason", {}).items():
            held = self.totals.rejected_by_reason.get(reason, 0)
            self.totals.rejected_by_reason[reason] = held + int(count)
        if self._log:
            line = {
                "request_id": answer.get("request_id"),
                "sent_at": sent_at,
                "answered_at": time.time(),
                "status": 200,
                "answer": answer,
                "readings": payload.readings,
            }
            self._log.write(json.dumps(line) + "\n")
            self._log.flush()
        return answer


def _pause(response: httpx.Response | None) -> float:
    if response is None:
        return 0.5
    try:
        return min(30.0, float(response.headers.get("retry-after", "1")))
    except ValueError:
        return 1.0


def _refused(response: httpx.Response) -> ApiError:
    try:
        body = response.json()
    except ValueError:
        body = {}
    detail = body.get("detail", response.text[:300])
    return ApiError(response.status_code, str(body.get("error", "Refused")), detail)


def compact_payload(rows: Sequence[CsvRow], prefix: str) -> Payload:
    """Write rows as N3uron's compact shape: events by tag path; an empty field is bad quality."""
    events: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        for column, value in row.values.items():
            quality = 0 if value is None else 192
            event: dict[str, object] = {"v": value, "q": quality, "ts": _milliseconds(row.at)}
            events.setdefault(tag_of(prefix, column), []).append(event)
    readings = [
        {"tag": tag, "value": event["v"], "quality": event["q"], "at": _iso(event["ts"])}
        for tag, of_tag in events.items()
        for event in of_tag
    ]
    return Payload(events, readings)


def sequences_payload(
    windows: Sequence[Sequence[CsvRow]], *, column: str, sensor: str, model: str
) -> Payload:
    """Write the values of one column as sequences, each at the time of its last row."""
    bodies = [
        {
            "timestamp": _milliseconds(rows[-1].at),
            "sensor": sensor,
            "model": model,
            "data": [row.values[column] for row in rows],
        }
        for rows in windows
    ]
    readings = [
        {"tag": sensor, "value": body["data"], "quality": None, "at": _iso(body["timestamp"])}
        for body in bodies
    ]
    return Payload(bodies if len(bodies) > 1 else bodies[0], readings)


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _iso(milliseconds: object) -> str:
    at = datetime.fromtimestamp(int(str(milliseconds)) / 1000, UTC)
    return at.isoformat(timespec="milliseconds")
