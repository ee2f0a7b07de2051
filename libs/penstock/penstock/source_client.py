"""HTTP to a source, guarded: checked addresses, no redirects, bounded answers, own secrets only."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import aiohttp
import msgspec
from yarl import URL

from penstock.domain.errors import ForbiddenAddress, InvalidInput, Unavailable
from penstock.ports import Secrets
from penstock.source import AnswerTooLarge, SourceRequest, SourceTimedOut, SourceUnreachable
from penstock.source_guard import Guard
from penstock.source_settings import AuthBody, SourceBody
from penstock.source_way import Ways

KEPT_HEADERS = ("content-type", "date", "etag", "last-modified", "link", "retry-after")
"""Headers of an answer that are stored beside its bytes: paging may need them, people do."""

_CHUNK_BYTES = 256 * 1024
_DETAIL_BYTES = 500


@dataclass(frozen=True, slots=True)
class SourceReply:
    """What a source answered, whatever its status; `body` is cut short unless it is a 2xx."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the body is the answer."""
        return 200 <= self.status < 300


def url_of(source: SourceBody, request: SourceRequest) -> URL:
    """Whole URL of a request; raise ForbiddenAddress where it leaves the source's origin."""
    base = URL(source.base_url)
    if request.link:
        url = base.origin().join(URL(request.target, encoded=True))
        if url.origin() != base.origin():
            raise ForbiddenAddress(
                f"the source's next page is at {url.origin()}, which is not {base.origin()}"
            )
    else:
        url = URL(f"{source.base_url}/{request.target.lstrip('/')}", encoded=True)
    return url.extend_query(request.params) if request.params else url


def auth_header(auth: AuthBody, secret: str) -> dict[str, str]:
    """Header that proves who asks; raise InvalidInput where the secret lacks a part."""
    if auth.type == "none":
        return {}
    parts = _secret_parts(secret)
    try:
        match auth.type:
            case "bearer":
                return {"Authorization": f"Bearer {parts.get('token') or parts['']}"}
            case "basic":
                login = f"{parts['username']}:{parts['password']}".encode()
                return {"Authorization": f"Basic {b64encode(login).decode()}"}
            case "header":
                return {auth.header: parts.get("value") or parts[""]}
    except KeyError as error:
        raise InvalidInput(
            f"secret {auth.secret} has no {error.args[0] or 'plain text'}, which {auth.type} needs"
        ) from error


def _secret_parts(secret: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(secret, type=dict[str, str])
    except msgspec.DecodeError:
        return {"": secret.strip()}


class SourceClient:
    """Sends requests to one source over connections that it keeps."""

    def __init__(
        self, source: SourceBody, guard: Guard, secrets: Secrets, *, proxy: str | None = None
    ) -> None:
        """Prepare; must be called on the event loop."""
        self.source = source
        self._guard = replace(guard, only=source.allowed_cidrs)
        self._secrets = secrets
        self._auth: dict[str, str] | None = None
        self._ways = Ways(source, self._guard, proxy=proxy)

    async def close(self) -> None:
        """Close every connection."""
        await self._ways.close()

    async def send(self, request: SourceRequest) -> SourceReply:
        """Ask once.

        Raise ForbiddenAddress or another InvalidInput where asking again is useless,
        SourceTimedOut, AnswerTooLarge, or SourceUnreachable where the connection fails.
        """
        auth = self._auth or await self._log_in()
        reply = await self._send(request, auth)
        if reply.status != 401 or self.source.auth.type == "none":
            return reply
        renewed = await self._log_in()  # the secret may have been rotated
        return reply if renewed == auth else await self._send(request, renewed)

    async def _log_in(self) -> dict[str, str]:
        auth = self.source.auth
        secret = "" if auth.type == "none" else await self._secrets.get(auth.secret)
        self._auth = auth_header(auth, secret)
        return self._auth

    async def _send(self, request: SourceRequest, auth: dict[str, str]) -> SourceReply:
        url = url_of(self.source, request)
        self._guard.check_url(str(url))
        headers = {**auth, **({"Content-Type": "application/json"} if request.body else {})}
        try:
            way = await self._ways.to(url)
            async with way.session.request(
                request.method,
                way.url,
                data=request.body,
                headers={**headers, **way.headers},
                allow_redirects=False,
                **way.options,
            ) as response:
                return await self._read(response, url)
        except TimeoutError as error:
            raise SourceTimedOut(
                f"{url.host} did not answer within {self.source.timeout_s:g} s"
            ) from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise InvalidInput(
                f"the certificate of {url.host} is not trusted ({error.certificate_error}); "
                "put its authority, or the certificate itself, into the source's `ca`"
            ) from error
        except Unavailable as error:  # the name is not resolved
            raise SourceUnreachable(str(error)) from error
        except aiohttp.ClientHttpProxyError as error:
            raise _refusal(error, url) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise SourceUnreachable(f"{url.host} broke the connection: {error!r}") from error

    async def _read(self, response: aiohttp.ClientResponse, url: URL) -> SourceReply:
        headers = {k: response.headers[k] for k in KEPT_HEADERS if k in response.headers}
        if 300 <= response.status < 400:
            target = response.headers.get("Location", "nowhere")
            raise ForbiddenAddress(
                f"{url.host} redirects to {target}; redirects are not followed: "
                "put the right address into the source's base_url"
            )
        is_success = 200 <= response.status < 300
        limit = self.source.max_response_bytes if is_success else _DETAIL_BYTES
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > limit and is_success:
                raise AnswerTooLarge(f"the answer of {url.host} passes {limit} bytes")
            if len(body) >= limit:
                break
        return SourceReply(str(url), response.status, headers, bytes(body[:limit]))


def _refusal(error: aiohttp.ClientHttpProxyError, url: URL) -> InvalidInput | SourceUnreachable:
    told = f"the proxy answered {error.status} {error.message} on the way to {url.host}"
    if error.status >= 500:
        return SourceUnreachable(told)
    return InvalidInput(f"{told}; it is asked for addresses, never for names: let it pass them")


class SourceClients:
    """Clients by source, kept while their settings stay the same."""

    def __init__(self, guard: Guard, secrets: Secrets, *, proxy: str | None = None) -> None:
        """Keep what every client needs; `proxy` is what sources outside are reached through."""
        self._guard = guard
        self._proxy = proxy
        self._secrets = secrets
        self._open: dict[str, SourceClient] = {}
        self._users: dict[SourceClient, int] = {}

    @asynccontextmanager
    async def use(self, source: SourceBody) -> AsyncIterator[SourceClient]:
        """Lend the client of a source; its last user closes one whose settings have changed."""
        client = self._open.get(source.name)
        if client is None or client.source != source:
            stale = client
            client = SourceClient(source, self._guard, self._secrets, proxy=self._proxy)
            self._open[source.name] = client
            if stale is not None:
                await self._close_unused(stale)
        self._users[client] = self._users.get(client, 0) + 1
        try:
            yield client
        finally:
            self._users[client] -= 1
            if self._open.get(source.name) is not client:
                await self._close_unused(client)

    async def _close_unused(self, client: SourceClient) -> None:
        if not self._users.get(client):
            self._users.pop(client, None)
            await asyncio.shield(client.close())

    async def close(self) -> None:
        """Close all."""
        clients = {*self._open.values(), *self._users}
        self._open.clear()
        self._users.clear()
        for client in clients:
            await client.close()
