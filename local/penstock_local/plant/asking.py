"""Reading a request's parameters, and wording answers, refusals among them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from penstock_local.plant.history import TooMuchError
from penstock_local.plant.samples import parse_time

Handler = Callable[[Request], Awaitable[Response]]


class BadQuestionError(Exception):
    """The caller's mistake, told with a status and a sentence."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters of a query or a body, by name."""

    named: Mapping[str, str]

    def required(self, name: str) -> str:
        value = self.named.get(name, "")
        if not value:
            raise BadQuestionError(400, f"parameter {name} is missing")
        return value

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        text = self.named.get(name) or str(default)
        if not text.isdigit() or not low <= int(text) <= high:
            raise BadQuestionError(400, f"{name} must be a whole number from {low} to {high}")
        return int(text)

    def time(self, name: str, default: int | None = None) -> int:
        text = self.named.get(name, "")
        if not text and default is not None:
            return default
        try:
            return parse_time(text or self.required(name))
        except ValueError as error:
            reason = f"{name} must be ISO 8601 or epoch milliseconds, not {text}"
            raise BadQuestionError(400, reason) from error

    def names(self, name: str) -> list[str]:
        return [part.strip() for part in self.named.get(name, "").split(",") if part.strip()]


def answer(body: Any, *, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def guard(handler: Handler, token: str | None) -> Handler:
    """Ask for the token first, and word the caller's mistakes."""

    async def guarded(request: Request) -> Response:
        if token is not None and request.headers.get("Authorization") != f"Bearer {token}":
            return answer({"error": "a Bearer token is needed"}, status=401)
        try:
            return await handler(request)
        except BadQuestionError as error:
            return answer({"error": error.reason}, status=error.status)
        except TooMuchError as error:
            return answer({"error": str(error)}, status=413)

    return guarded
