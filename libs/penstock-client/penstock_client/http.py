"""One HTTP session with the public APIs: JSON in, JSON out, errors as exceptions."""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

import httpx

from penstock_client.errors import ApiError, Unreachable

Json = dict[str, Any]


class Session:
    """Requests under one address with one token."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_seconds: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open a pool of connections; close it by `close` or `with`."""
        self._client = httpx.Client(
            base_url=url.rstrip("/"),
            # Without one the server says what is missing; an empty one is no header at all.
            headers={"authorization": f"Bearer {token}"} if token else {},
            timeout=timeout_seconds,
            transport=transport,
        )

    def __enter__(self) -> "Session":
        """Use as `with Session(...) as session`."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, **params: object) -> Json:
        """Read; raise ApiError or Unreachable."""
        given = {key: str(value) for key, value in params.items() if value is not None}
        return _answer(self._send("GET", path, params=given))

    def put(self, path: str, body: object, *, headers: Mapping[str, str] | None = None) -> Json:
        """Write under a name; raise ApiError or Unreachable."""
        return _answer(self._send("PUT", path, json=body, headers=headers))

    def post(
        self, path: str, body: object = None, *, headers: Mapping[str, str] | None = None
    ) -> Json:
        """Ask for an action; raise ApiError or Unreachable."""
        return _answer(self._send("POST", path, json=body, headers=headers))

    def delete(self, path: str) -> Json:
        """Remove; raise ApiError or Unreachable."""
        return _answer(self._send("DELETE", path))

    def text(self, path: str) -> str:
        """Read plain text; raise ApiError or Unreachable."""
        response = self._send("GET", path)
        if response.is_error:
            _answer(response)
        return response.text

    def items(self, path: str, **params: object) -> Iterator[Json]:
        """Walk a list that comes in pages of `items` with a `next`."""
        cursor: str | None = None
        while True:
            page = self.get(path, **params, cursor=cursor)
            yield from page["items"]
            cursor = page.get("next")
            if not cursor:
                return

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **request)
        except httpx.TransportError as error:
            raise Unreachable(
                f"{self._client.base_url} does not answer ({error}); is the stack up? `make up`"
            ) from error


def _answer(response: httpx.Response) -> Json:
    try:
        body = response.json() if response.content else {}
    except ValueError:
        body = {"error": "NotJson", "detail": response.text[:500]}
    if response.is_error:
        raise ApiError(
            response.status_code,
            str(body.get("error", "HttpError")),
            body.get("detail", response.reason_phrase),
            str(body.get("request_id", "")),
        )
    return body if isinstance(body, dict) else {"items": body}
