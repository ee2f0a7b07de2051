"""Where a source may point: the rules that keep people's URLs from reaching inside.

Link-local and metadata addresses never; loopback and private ranges only where the deployment
says so; everything else is the internet. What is judged here is what is connected to: the client
resolves through `GuardedResolver`, so a name that answers differently the second time gains
nothing.
"""

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from penstock.domain.errors import ForbiddenAddress, Unavailable

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)


def _networks(*texts: str) -> tuple[IpNetwork, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


_NEVER = _networks(
    "0.0.0.0/8",  # "this host": many systems connect to themselves
    "169.254.0.0/16",  # link-local: metadata of AWS, Azure, Google; ECS task roles
    "100.100.100.200/32",  # metadata of Alibaba
    "168.63.129.16/32",  # Azure's wire server, a public address inside every machine
    "192.0.0.192/32",  # metadata of Oracle
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    "fd00:ec2::/32",  # metadata, DNS and time of AWS over IPv6
    "fd20:ce::254/128",  # metadata of Google over IPv6
    "2002::/16",  # tunnels and translations that carry another address inside
    "64:ff9b:1::/48",
    "2001::/32",
)
_LOOPBACK = _networks("127.0.0.0/8", "::1/128")
_CARRIES_V4 = _networks("64:ff9b::/96", "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96")


@dataclass(frozen=True, slots=True)
class Guard:
    """What a deployment allows beyond the internet, and what a source narrows it to.

    `private` are ranges that sources may reach; `only`, where not empty, is all they may reach.
    """

    private: tuple[IpNetwork, ...] = ()
    allow_loopback: bool = False
    only: tuple[IpNetwork, ...] = ()

    def check_address(self, address: IpAddress, *, of: str) -> None:
        """Raise ForbiddenAddress where a source must not connect to the address."""
        inner = _unwrapped(address)
        shown = of if of == str(address) else f"{of} resolves to {address}, which"
        if _inside(inner, _NEVER):
            raise ForbiddenAddress(
                f"{shown} is link-local, a metadata service or reserved: no source may reach it"
            )
        if _inside(inner, _LOOPBACK):
            if not self.allow_loopback:
                raise ForbiddenAddress(f"{shown} is this machine itself: no source may reach it")
        elif not inner.is_global and not _inside(inner, self.private):
            raise ForbiddenAddress(
                f"{shown} is private: list its range in the deployment's private_cidrs to allow it"
            )
        if self.only and not _inside(inner, self.only):
            raise ForbiddenAddress(f"{shown} is outside of the source's allowed_cidrs")

    def is_inside(self, address: str) -> bool:
        """Whether an address that may be reached is the deployment's own, not the internet's."""
        inner = _unwrapped(ipaddress.ip_address(address))
        return _inside(inner, _LOOPBACK) or _inside(inner, self.private)

    def check_url(self, url: str) -> SplitResult:
        """Judge what can be judged without asking DNS; return the parts."""
        parts = split_url(url)
        literal = _literal(parts.hostname or "")
        if literal is not None:
            self.check_address(literal, of=str(literal))
        return parts


def split_url(url: str) -> SplitResult:
    """Split a URL of http or https with a plain host; raise ForbiddenAddress on any trick."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenAddress(f"{url!r} is no URL: {error}") from error
    if parts.scheme not in {"http", "https"}:
        raise ForbiddenAddress(f"scheme {parts.scheme or 'none'} of {url!r}: use http or https")
    if "@" in parts.netloc:
        raise ForbiddenAddress("a user in the URL: put credentials into the source's auth")
    if re.search(r"[\s\\\x00-\x20\x7f]", url):
        raise ForbiddenAddress(f"{url!r} holds blanks, backslashes or control characters")
    if port == 0:
        raise ForbiddenAddress("port 0")
    _literal(parts.hostname or "")
    return parts


def _literal(host: str) -> IpAddress | None:
    """Address that a host spells out, None for a name; raise ForbiddenAddress on odd spellings."""
    if ":" in host:
        try:
            if "%" not in host:
                return ipaddress.IPv6Address(host)
        except ValueError:
            pass
        raise ForbiddenAddress(f"host {host!r} is no IPv6 address")
    labels = host.removesuffix(".").split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        # 2130706433, 0x7f.1 and 0177.0.0.1 all mean 127.0.0.1 to some resolver.
        try:
            return ipaddress.IPv4Address(host)
        except ValueError:
            raise ForbiddenAddress(
                f"host {host!r}: write an IPv4 address as four decimal numbers"
            ) from None
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ForbiddenAddress(f"host {host!r} is no host name; write it in ASCII (punycode)")
    return None


def _unwrapped(address: IpAddress) -> IpAddress:
    """IPv4 address inside an IPv6 one that merely carries it."""
    if isinstance(address, ipaddress.IPv4Address) or int(address) <= 1:
        return address
    if _inside(address, _CARRIES_V4):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _inside(address: IpAddress, networks: tuple[IpNetwork, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


class GuardedResolver(AbstractResolver):
    """Resolves names and refuses them unless every one of their addresses is allowed."""

    def __init__(self, guard: Guard) -> None:
        """Judge by this guard."""
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Answer addresses that were checked: the connection goes to exactly these."""
        try:
            infos = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM, family=family
            )
        except OSError as error:
            raise Unavailable(f"host {host} cannot be resolved: {error}") from error
        found = [(kind, str(where[0]), proto) for kind, _, proto, _, where in infos]
        for _, address, _ in found:
            self._guard.check_address(ipaddress.ip_address(address.partition("%")[0]), of=host)
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, address, proto in found
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing is held."""
