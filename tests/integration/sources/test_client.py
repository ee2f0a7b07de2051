import asyncio
import datetime
import ipaddress
import socket
import ssl
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from penstock.adapters.memory import MemorySecrets
from penstock.domain.errors import ForbiddenAddress, InvalidInput, NotFound
from penstock.source import AnswerTooLarge, SourceRequest, SourceTimedOut, SourceUnreachable
from penstock.source_client import SourceClient, SourceClients
from penstock.source_guard import Guard

from tests.integration.sources.servers import make_source, serving

HERE = Guard(allow_loopback=True)
NO_SECRETS = MemorySecrets({})
ASK = SourceRequest("/api/readings", (("tags", "/A/B,/A C"), ("from", "2026-11-01T00:00:00Z")))


async def test_a_request_goes_below_the_base_url_and_the_answer_comes_whole() -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.path == "/v2/api/readings"
        assert request.query["tags"] == "/A/B,/A C"
        assert request.query["from"] == "2026-11-01T00:00:00Z"
        return web.Response(body=b'{"records": []}', headers={"Link": "<x>", "X-Other": "y"})

    async with serving(handler) as port:
        source = make_source(port, base_url=f"http://127.0.0.1:{port}/v2/")
        async with SourceClients(HERE, NO_SECRETS).use(source) as client:
            reply = await client.send(ASK)
            await client.close()
    assert reply.body == b'{"records": []}'
    assert reply.headers == {"link": "<x>", "content-type": "application/octet-stream"} | {
        "date": reply.headers["date"]
    }


@pytest.mark.parametrize(
    ("auth", "secret", "header", "expected"),
    [
        ({"type": "bearer"}, "tok-1\n", "Authorization", "Bearer tok-1"),
        ({"type": "bearer"}, '{"token": "tok-2"}', "Authorization", "Bearer tok-2"),
        (
            {"type": "basic"},
            '{"username": "op", "password": "p:w"}',
            "Authorization",
            "Basic b3A6cDp3",
        ),
        ({"type": "header", "header": "X-Key"}, '{"value": "k"}', "X-Key", "k"),
    ],
)
async def test_credentials_come_from_the_secret(
    auth: dict[str, str], secret: str, header: str, expected: str
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get(header, ""))

    async with serving(handler) as port:
        source = make_source(port, auth={**auth, "secret": "penstock/sources/historian"})
        client = SourceClient(source, HERE, MemorySecrets({"penstock/sources/historian": secret}))
        reply = await client.send(ASK)
        await client.close()
    assert reply.body.decode() == expected


async def test_a_rotated_secret_is_read_again_after_a_401() -> None:
    secrets = MemorySecrets({"penstock/sources/historian": "old"})

    async def handler(request: web.Request) -> web.Response:
        known = request.headers["Authorization"] == "Bearer new"
        return web.Response(status=200 if known else 401)

    async with serving(handler) as port:
        auth = {"type": "bearer", "secret": "penstock/sources/historian"}
        client = SourceClient(make_source(port, auth=auth), HERE, secrets)
        assert (await client.send(ASK)).status == 401
        secrets.secrets["penstock/sources/historian"] = "new"
        assert (await client.send(ASK)).status == 200
        await client.close()


async def test_a_secret_that_is_missing_or_lacks_a_part_is_named() -> None:
    auth = {"type": "basic", "secret": "penstock/sources/historian"}
    source = make_source(1, auth=auth)
    for secrets, error, why in [
        (NO_SECRETS, NotFound, "penstock/sources/historian"),
        (MemorySecrets({"penstock/sources/historian": "{}"}), InvalidInput, "has no username"),
    ]:
        client = SourceClient(source, HERE, secrets)
        with pytest.raises(error, match=why):
            await client.send(ASK)
        await client.close()


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest/meta-data/", "/elsewhere", "https://evil.example/"]
)
async def test_redirects_are_not_followed_and_name_their_target(target: str) -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=302, headers={"Location": target})

    async with serving(handler) as port:
        client = SourceClient(make_source(port), HERE, NO_SECRETS)
        with pytest.raises(ForbiddenAddress, match=target):
            await client.send(ASK)
        await client.close()
    assert seen == ["/api/readings"]


async def test_loopback_is_refused_before_anything_is_sent() -> None:
    async def handler(request: web.Request) -> web.Response:
        raise AssertionError("was reached")

    async with serving(handler) as port:
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            source = make_source(port, base_url=f"http://{host}:{port}")
            client = SourceClient(source, Guard(), NO_SECRETS)
            with pytest.raises(ForbiddenAddress):
                await client.send(ASK)
            await client.close()


async def test_a_next_page_elsewhere_is_refused() -> None:
    client = SourceClient(make_source(1), HERE, NO_SECRETS)
    for target in ("http://169.254.169.254/x", "//evil.example/x", "http://127.0.0.1:2/x"):
        with pytest.raises(ForbiddenAddress, match="next page"):
            await client.send(SourceRequest(target, link=True))
    await client.close()


async def test_a_link_keeps_its_own_query() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request.raw_path)

    async with serving(handler) as port:
        source = make_source(port, base_url=f"http://127.0.0.1:{port}/v2")
        client = SourceClient(source, HERE, NO_SECRETS)
        relative = await client.send(SourceRequest("/v3/h?cursor=a%2Bb%3D", link=True))
        whole = await client.send(SourceRequest(f"http://127.0.0.1:{port}/h?p=2", link=True))
        await client.close()
    assert relative.body == b"/v3/h?cursor=a%2Bb%3D"
    assert whole.body == b"/h?p=2"


class RebindingResolver:
    """Stands for a DNS server that answers well when asked first, and badly ever after."""

    def __init__(self, answers: Sequence[str]) -> None:
        self.answers = list(answers)

    def __call__(self, host: str, port: int) -> str:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def test_a_name_that_changes_its_address_gains_nothing() -> None:
    hits = []

    async def handler(request: web.Request) -> web.Response:
        hits.append(request.path)
        return web.Response(text="{}")

    loop = asyncio.get_running_loop()
    rebinding = RebindingResolver(["127.0.0.1", "169.254.169.254"])

    async def getaddrinfo(
        host: str, port: int, **_: object
    ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (rebinding(host, port), port))]

    loop.getaddrinfo = getaddrinfo  # type: ignore[assignment,method-assign]  # the DNS of this test's own loop
    async with serving(handler) as port:
        source = make_source(port, base_url=f"http://rebinding.example.com:{port}")
        first = SourceClient(source, HERE, NO_SECRETS)
        assert (await first.send(ASK)).is_success
        await first.close()
        second = SourceClient(source, HERE, NO_SECRETS)
        with pytest.raises(ForbiddenAddress, match=r"169\.254\.169\.254"):
            await second.send(ASK)
        await second.close()
    assert hits == ["/api/readings"]


async def test_one_bad_address_among_good_ones_refuses_the_name() -> None:
    loop = asyncio.get_running_loop()

    async def getaddrinfo(
        host: str, port: int, **_: object
    ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        addresses = ("93.184.216.34", "10.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

    loop.getaddrinfo = getaddrinfo  # type: ignore[assignment,method-assign]  # the DNS of this test's own loop
    client = SourceClient(make_source(1, base_url="http://two.example.com"), HERE, NO_SECRETS)
    with pytest.raises(ForbiddenAddress, match=r"two\.example\.com resolves to 10\.0\.0\.1"):
        await client.send(ASK)
    await client.close()


async def test_an_answer_past_the_limit_is_cut_off_while_it_streams() -> None:
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1_000):
            await response.write(b"x" * 65_536)
            sent += 65_536
        return response

    async with serving(handler) as port:
        source = make_source(port, max_response_bytes=100_000)
        client = SourceClient(source, HERE, NO_SECRETS)
        with pytest.raises(AnswerTooLarge, match="100000 bytes"):
            await client.send(ASK)
        await client.close()
    assert sent < 60_000_000


async def test_a_small_body_that_unpacks_past_the_limit_is_refused() -> None:
    bomb = zlib.compress(b"0" * 10_000_000)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "deflate"})

    async with serving(handler) as port:
        client = SourceClient(make_source(port, max_response_bytes=100_000), HERE, NO_SECRETS)
        with pytest.raises(AnswerTooLarge):
            await client.send(ASK)
        await client.close()


async def test_a_hung_source_times_out() -> None:
    release = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    async with serving(handler) as port:
        client = SourceClient(make_source(port, timeout_s=0.2), HERE, NO_SECRETS)
        with pytest.raises(SourceTimedOut, match=r"0\.2 s"):
            await client.send(ASK)
        release.set()
        await client.close()


async def test_a_connection_cut_in_the_middle_is_no_answer() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with serving(handler) as port:
        client = SourceClient(make_source(port), HERE, NO_SECRETS)
        with pytest.raises(SourceUnreachable, match="broke the connection"):
            await client.send(ASK)
        await client.close()


async def test_nobody_listening_may_listen_later() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        client = SourceClient(make_source(port), HERE, NO_SECRETS)
        with pytest.raises(SourceUnreachable):
            await client.send(ASK)
        await client.close()


async def test_an_error_answer_is_given_back_cut_short() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=500, text="x" * 10_000)

    async with serving(handler) as port:
        client = SourceClient(make_source(port), HERE, NO_SECRETS)
        reply = await client.send(ASK)
        await client.close()
    assert (reply.status, reply.is_success, len(reply.body)) == (500, False, 500)


def make_certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name[0].isdigit():
        names = [x509.IPAddress(ipaddress.ip_address(name))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, pem.decode()


@pytest.mark.parametrize(
    ("certified", "asked", "is_pinned", "succeeds"),
    [
        ("localhost", "localhost", True, True),
        ("localhost", "localhost", False, False),
        ("127.0.0.1", "127.0.0.1", True, True),
        ("historian.example.com", "localhost", True, False),
    ],
)
async def test_certificates_are_verified_on_the_name_against_the_sources_own_authority(
    certified: str, asked: str, is_pinned: bool, succeeds: bool, tmp_path: Path
) -> None:
    context, pem = make_certificate(tmp_path, certified)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="{}")

    async with serving(handler, tls=context) as port:
        source = make_source(port, base_url=f"https://{asked}:{port}", ca=pem if is_pinned else "")
        client = SourceClient(source, HERE, NO_SECRETS)
        if succeeds:
            assert (await client.send(ASK)).is_success
        else:
            with pytest.raises(InvalidInput, match="not trusted"):
                await client.send(ASK)
        await client.close()


async def test_changed_settings_get_a_client_of_their_own() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request.path)

    async with serving(handler) as port:
        clients = SourceClients(HERE, NO_SECRETS)
        async with clients.use(make_source(port)) as old:
            async with clients.use(make_source(port)) as same:
                assert same is old
            changed = make_source(port, base_url=f"http://127.0.0.1:{port}/v2")
            async with clients.use(changed) as new:
                assert (await new.send(ASK)).body == b"/v2/api/readings"
                assert (await old.send(ASK)).body == b"/api/readings"
        await clients.close()
