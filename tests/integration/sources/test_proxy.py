"""Through a proxy the guard still decides: it is told checked addresses, and names only by TLS."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from penstock.adapters.memory import MemorySecrets
from penstock.domain.errors import ForbiddenAddress, InvalidInput
from penstock.source import SourceRequest, SourceUnreachable
from penstock.source_client import SourceClient
from penstock.source_guard import Guard
from penstock.source_settings import SourceBody

from tests.fixtures.authorities import Authority
from tests.integration.sources.connect_proxy import ConnectProxy, connect_proxy
from tests.integration.sources.servers import make_source, serving

HOST = "historian.example.com"
PUBLIC, METADATA = "93.184.216.34", "169.254.169.254"
ASK = SourceRequest("/api/readings", (("from", "2026-11-01T00:00:00Z"),))
AUTHORITY = Authority("Example Historians Root CA")
SECRETS = MemorySecrets({"penstock/sources/historian": "plant-token-7"})


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    return AUTHORITY.server(HOST, tmp_path)


def source_outside(**parts: Any) -> SourceBody:
    parts = {"base_url": f"https://{HOST}", "ca": AUTHORITY.pem, **parts}
    auth = {"type": "bearer", "secret": "penstock/sources/historian"}
    return make_source(443, auth=auth, **parts)


def client_by(
    proxy: ConnectProxy | None, source: SourceBody, guard: Guard | None = None
) -> SourceClient:
    return SourceClient(source, guard or Guard(), SECRETS, proxy=proxy.url if proxy else None)


def resolve_to(*answers: str) -> None:
    """Let this test's own loop find these addresses, one call after the other, then the last."""
    left = list(answers)

    async def getaddrinfo(
        host: str, port: int, **_: object
    ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        addresses = (left.pop(0) if len(left) > 1 else left[0]).split()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    loop = asyncio.get_running_loop()
    loop.getaddrinfo = getaddrinfo  # type: ignore[assignment,method-assign]  # its own DNS


async def answer(request: web.Request) -> web.Response:
    return web.json_response({"host": request.host, "auth": request.headers["Authorization"]})


async def test_the_proxy_is_told_the_checked_address_and_learns_nothing_else(
    tls: ssl.SSLContext,
) -> None:
    resolve_to(PUBLIC)
    async with serving(answer, tls=tls) as port, connect_proxy(port) as proxy:
        client = client_by(proxy, source_outside())
        for _ in range(2):
            reply = await client.send(ASK)
            assert reply.url == f"https://{HOST}/api/readings?from=2026-11-01T00:00:00Z"
            assert b"plant-token-7" in reply.body
            assert f'"host": "{HOST}"'.encode() in reply.body
        await client.close()
    assert proxy.asked_for == [f"CONNECT {PUBLIC}:443 HTTP/1.1"], "and one tunnel served both"
    assert f"Host: {PUBLIC}:443" in proxy.heads[0].splitlines()
    assert HOST not in proxy.heads[0]
    assert "authorization" not in proxy.heads[0].lower()
    assert b"plant-token-7" not in proxy.carried
    assert b"/api/readings" not in proxy.carried


async def test_an_address_of_ipv6_is_written_as_proxies_read_it(tls: ssl.SSLContext) -> None:
    address = "2606:2800:220:1:248:1893:25c8:1946"
    resolve_to(address)
    async with serving(answer, tls=tls) as port, connect_proxy(port) as proxy:
        client = client_by(proxy, source_outside())
        assert (await client.send(ASK)).is_success
        await client.close()
    assert proxy.asked_for == [f"CONNECT [{address}]:443 HTTP/1.1"]
    assert f"Host: [{address}]:443" in proxy.heads[0].splitlines()


@pytest.mark.parametrize("found", [METADATA, f"{PUBLIC} {METADATA}", "10.1.2.3", "127.0.0.1"])
async def test_a_forbidden_address_is_refused_before_the_proxy_hears_of_it(found: str) -> None:
    resolve_to(found)
    async with connect_proxy(1) as proxy:
        client = client_by(proxy, source_outside())
        with pytest.raises(ForbiddenAddress, match=rf"{HOST} resolves to"):
            await client.send(ASK)
        await client.close()
    assert proxy.heads == []


async def test_a_name_that_changes_its_address_gains_nothing(tls: ssl.SSLContext) -> None:
    resolve_to(PUBLIC, METADATA)
    async with serving(answer, tls=tls) as port, connect_proxy(port) as proxy:
        client = client_by(proxy, source_outside())
        assert (await client.send(ASK)).is_success
        with pytest.raises(ForbiddenAddress, match=METADATA):
            await client.send(ASK)
        await client.close()
    assert proxy.asked_for == [f"CONNECT {PUBLIC}:443 HTTP/1.1"]


async def test_what_a_source_may_reach_holds_through_the_proxy_too() -> None:
    resolve_to(PUBLIC)
    async with connect_proxy(1) as proxy:
        client = client_by(proxy, source_outside(allowed_cidrs=["198.51.100.0/24"]))
        with pytest.raises(ForbiddenAddress, match="outside of the source's allowed_cidrs"):
            await client.send(ASK)
        await client.close()
    assert proxy.heads == []


async def test_whoever_answers_in_the_tunnel_is_verified_by_the_name(tmp_path: Path) -> None:
    """A proxy, or who stands behind it, cannot pose as the source."""
    resolve_to(PUBLIC)
    other = AUTHORITY.server("other.example.com", tmp_path)
    async with serving(answer, tls=other) as port, connect_proxy(port) as proxy:
        client = client_by(proxy, source_outside())
        with pytest.raises(InvalidInput, match=rf"the certificate of {HOST} is not trusted"):
            await client.send(ASK)
        await client.close()
    assert len(proxy.heads) == 1


async def test_a_source_without_tls_is_not_sent_through_the_proxy() -> None:
    resolve_to(PUBLIC)
    async with connect_proxy(1) as proxy:
        client = client_by(proxy, source_outside(base_url=f"http://{HOST}"))
        with pytest.raises(InvalidInput, match="write its base_url with https"):
            await client.send(ASK)
        await client.close()
    assert proxy.heads == []


async def test_a_source_of_the_deployments_own_ranges_is_reached_straight() -> None:
    async with serving(answer) as port, connect_proxy(1) as proxy:
        source = source_outside(base_url=f"http://127.0.0.1:{port}")
        client = client_by(proxy, source, Guard(allow_loopback=True))
        assert (await client.send(ASK)).is_success
        await client.close()
    assert proxy.heads == []


@pytest.mark.parametrize(
    ("status", "family", "words"),
    [
        ("403 Forbidden", InvalidInput, "answered 403 Forbidden.*never for names: let it pass"),
        ("407 Proxy Authentication Required", InvalidInput, "answered 407"),
        ("502 Bad Gateway", SourceUnreachable, f"answered 502 Bad Gateway on the way to {HOST}"),
    ],
)
async def test_a_proxy_that_does_not_let_it_pass_is_told_from_the_source(
    status: str, family: type[Exception], words: str
) -> None:
    resolve_to(PUBLIC)
    async with connect_proxy(1, status=status) as proxy:
        client = client_by(proxy, source_outside())
        with pytest.raises(family, match=words):
            await client.send(ASK)
        await client.close()


async def test_a_proxy_that_is_not_there_may_be_there_later() -> None:
    resolve_to(PUBLIC)
    async with connect_proxy(1) as proxy:
        pass
    client = client_by(proxy, source_outside())
    with pytest.raises(SourceUnreachable, match=str(proxy.port)):
        await client.send(ASK)
    await client.close()


async def test_variables_of_the_environment_lead_nowhere(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(PUBLIC)
    async with serving(answer, tls=tls) as port, connect_proxy(port) as proxy:
        for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "*")
        by_setting = client_by(proxy, source_outside())
        assert (await by_setting.send(ASK)).is_success
        await by_setting.close()
        assert len(proxy.heads) == 1

        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY")
        local = source_outside(base_url=f"https://{HOST}:{port}")
        resolve_to("127.0.0.1")
        straight = client_by(None, local, Guard(allow_loopback=True))
        assert (await straight.send(ASK)).is_success
        await straight.close()
    assert len(proxy.heads) == 1
