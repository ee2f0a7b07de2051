"""What the door answers: always JSON, never a redirect, waits in whole seconds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

_NO_HEADERS: Mapping[bytes, bytes] = {}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, ready to be sent."""

    status: int
    body: bytes
    headers: Mapping[bytes, bytes] = field(default_factory=lambda: _NO_HEADERS)


class Refusal(Exception):
    """A request that the door turns away, and how it says so."""

    def __init__(
        self,
        status: int,
        name: str,
        detail: str,
        *,
        retry_after_seconds: float | None = None,
        headers: Mapping[bytes, bytes] | None = None,
    ) -> None:
        """Keep the answer; `name` is the word that programs compare."""
        super().__init__(detail)
        self.status = status
        self.name = name
        self.headers = dict(headers or {})
        if retry_after_seconds is not None:
            self.headers[b"retry-after"] = retry_after(retry_after_seconds)

    def answer(self, request_id: str) -> Answer:
        """Write it as the one shape of an error."""
        body = {"error": self.name, "detail": str(self), "request_id": request_id}
        return Answer(self.status, msgspec.json.encode(body), self.headers)


def retry_after(seconds: float) -> bytes:
    """Whole seconds, at least one: a gateway that retries at once makes things worse."""
    return str(max(1, math.ceil(seconds))).encode()


def json_answer(status: int, body: object) -> Answer:
    """Answer any body."""
    return Answer(status, msgspec.json.encode(body))
