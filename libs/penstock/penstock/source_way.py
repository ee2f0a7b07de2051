"""The way to a source: straight to addresses that were checked, or by CONNECT through a proxy.

A proxy would resolve names by itself, and reach what the guard forbids. So it is told an address
that was checked here, never a name; who answers there is verified by the name, inside the tunnel.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

import aiohttp
from yarl import URL

from penstock.domain.errors import InvalidInput
from penstock.source_guard import Guard, GuardedResolver
from penstock.source_settings import SourceBody

_CONNECT_SECONDS = 10.0


class _Options(TypedDict, total=False):
    proxy: str
    server_hostname: str


@dataclass(frozen=True, slots=True)
class Way:
    """How to send one request: to `url`, in place of the one that was asked for."""

    session: aiohttp.ClientSession
    url: URL
    headers: Mapping[str, str] = field(default_factory=dict)
    options: _Options = field(default_factory=_Options)


class Ways:
    """Finds the way to one source, over connections that are kept; make it on the event loop."""

    def __init__(self, source: SourceBody, guard: Guard, *, proxy: str | None = None) -> None:
        """Prepare; `proxy` is for what lies outside the deployment's private ranges."""
        self._guard = guard
        self._proxy = proxy
        self._resolver = GuardedResolver(guard)
        self._straight = _session(source, aiohttp.TCPConnector, resolver=self._resolver)
        # It is asked for addresses only: the one name that it may have to resolve is the proxy's.
        self._tunnels = None if proxy is None else _session(source, _Tunnels, resolver=None)

    async def to(self, url: URL) -> Way:
        """Find the way; raise ForbiddenAddress, or Unavailable where the name is not resolved."""
        if self._proxy is None or self._tunnels is None:
            return Way(self._straight, url)
        host = str(url.host)
        found = [one["host"] for one in await self._resolver.resolve(host, url.port or 0)]
        outside = [address for address in found if not self._guard.is_inside(address)]
        if not outside:
            return Way(self._straight, url)
        if url.scheme != "https":
            raise InvalidInput(
                f"{host} is reached through the deployment's proxy, which would read along: "
                "write its base_url with https"
            )
        # Proxies speak IPv4 more often than not.
        address = min(outside, key=lambda one: ":" in one)
        return Way(
            self._tunnels,
            url.with_host(address),
            {"Host": url.host_port_subcomponent or host},
            {"proxy": self._proxy, "server_hostname": host},
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._straight.close()
        if self._tunnels is not None:
            await self._tunnels.close()


class _Tunnels(aiohttp.TCPConnector):
    def _update_proxy_auth_header_and_build_proxy_req(
        self, req: aiohttp.ClientRequest
    ) -> aiohttp.ClientRequest:
        # aiohttp would show the proxy the Host that is meant for the source: a name, by which some
        # proxies go, and which strict ones refuse where it is not the address asked for.
        built = super()._update_proxy_auth_header_and_build_proxy_req(req)
        built.headers["Host"] = f"{req.url.host_subcomponent}:{req.url.port}"
        return built


def _session(
    source: SourceBody,
    connector: type[aiohttp.TCPConnector],
    *,
    resolver: GuardedResolver | None,
) -> aiohttp.ClientSession:
    context = ssl.create_default_context(cadata=source.ca or None)
    return aiohttp.ClientSession(
        connector=connector(resolver=resolver, use_dns_cache=False, ssl=context),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(
            total=source.timeout_s, connect=min(source.timeout_s, _CONNECT_SECONDS)
        ),
        headers={"Accept": "application/json", "User-Agent": "penstock"},
        # A proxy of the environment would be asked for names, and check no address.
        trust_env=False,
    )
