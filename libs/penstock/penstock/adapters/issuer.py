"""An OIDC issuer over HTTP: discovery, then the keys, within one deadline and bounded in size."""

import asyncio
import ssl
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from penstock.domain.errors import Unavailable

DISCOVERY_PATH = "/.well-known/openid-configuration"
MAX_DOCUMENT_BYTES = 256 * 1024
_DEADLINE_SECONDS = 5.0

_T = TypeVar("_T")


class _Discovery(msgspec.Struct):
    issuer: str
    jwks_uri: str


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


class HttpIssuer:
    """Reads the documents of one issuer; holds no connection between two reads."""

    def __init__(self, issuer: str, *, deadline_seconds: float = _DEADLINE_SECONDS) -> None:
        """Keep the issuer as the settings name it."""
        self._issuer = issuer
        self._deadline_seconds = deadline_seconds

    async def read_keys(self) -> list[dict[str, Any]]:
        """Ask for the discovery document and for the keys that it points at."""
        trusted = await asyncio.to_thread(_authorities)
        seconds = self._deadline_seconds
        try:
            async with (
                asyncio.timeout(seconds),
                httpx.AsyncClient(timeout=seconds, verify=trusted) as client,
            ):
                found = await self._discover(client)
                return (await _get(client, found.jwks_uri, _KeySet)).keys
        except TimeoutError as error:
            raise Unavailable(f"no answer within {seconds:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error

    async def _discover(self, client: httpx.AsyncClient) -> _Discovery:
        url = self._issuer.rstrip("/") + DISCOVERY_PATH
        found = await _get(client, url, _Discovery)
        # Else one issuer could vouch with its keys for the tokens of another.
        if found.issuer != self._issuer:
            raise Unavailable(
                f"{url} is of the issuer {found.issuer[:200]}; the settings name {self._issuer}"
            )
        allowed = {"https", urlsplit(self._issuer).scheme}
        if not found.jwks_uri.startswith(tuple(f"{scheme}://" for scheme in allowed)):
            raise Unavailable(f"{url} points at keys that are not behind https")
        return found


@cache
def _authorities() -> ssl.SSLContext:
    # Reading them all takes up to half a second, which is not the event loop's to lose.
    return httpx.create_ssl_context()


async def _get(client: httpx.AsyncClient, url: str, shape: type[_T]) -> _T:
    body = bytearray()
    async with client.stream("GET", url, headers={"accept": "application/json"}) as answer:
        # A redirect lands here too: it may lead anywhere, so it is not followed.
        if answer.status_code != httpx.codes.OK:
            raise Unavailable(f"{url} answered {answer.status_code}")
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > MAX_DOCUMENT_BYTES:
                raise Unavailable(f"{url} answers with more than {MAX_DOCUMENT_BYTES} bytes")
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unavailable(f"{url} is not what it should be: {error}") from error
