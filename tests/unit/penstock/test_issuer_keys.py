"""The keys of an issuer over real HTTP: when they are read, kept, and refused."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from penstock.adapters.issuer import DISCOVERY_PATH, MAX_DOCUMENT_BYTES, HttpIssuer
from penstock.adapters.memory import FakeClock
from penstock.domain.errors import Unavailable
from penstock.runtime.issuer_keys import IssuerKeys, usable_keys
from penstock.runtime.telemetry import Metrics

from tests.fixtures.issuer import LittleIssuer, ec_entry, little_issuer, rsa_entry


@asynccontextmanager
async def keys_of(issuer: LittleIssuer, clock: FakeClock) -> AsyncIterator[IssuerKeys]:
    keys = IssuerKeys(HttpIssuer(issuer.url), clock, Metrics("test"))
    try:
        yield keys
    finally:
        await keys.close()


async def test_keys_are_read_once_and_then_known() -> None:
    async with little_issuer() as issuer, keys_of(issuer, FakeClock()) as keys:
        assert await keys.find("k1") is not None
        assert await keys.find("e1") is not None
        assert issuer.reads == 1


async def test_many_first_callers_share_one_read() -> None:
    async with little_issuer() as issuer, keys_of(issuer, FakeClock()) as keys:
        found = await asyncio.gather(*(keys.find("k1") for _ in range(50)))
        assert all(found)
        assert issuer.reads == 1


async def test_made_up_key_ids_ask_the_issuer_once_in_ten_seconds() -> None:
    clock = FakeClock()
    async with little_issuer() as issuer, keys_of(issuer, clock) as keys:
        for _ in range(3):
            assert [await keys.find(f"made-up-{n}") for n in range(20)] == [None] * 20
            clock.advance(seconds=10)
        assert issuer.reads == 3


async def test_a_new_key_is_found_and_a_withdrawn_one_forgotten() -> None:
    clock = FakeClock()
    async with little_issuer() as issuer, keys_of(issuer, clock) as keys:
        await keys.find("k1")
        issuer.keys = [rsa_entry("k2")]
        clock.advance(seconds=10)
        assert await keys.find("k2") is not None
        assert await keys.find("k1") is None


async def test_a_withdrawn_key_ends_within_an_hour_though_nobody_brings_a_new_one() -> None:
    clock = FakeClock()
    async with little_issuer() as issuer, keys_of(issuer, clock) as keys:
        await keys.find("k1")
        issuer.keys = [rsa_entry("k2")]
        clock.advance(seconds=3_600)
        issuer.asked.clear()
        assert await keys.find("k1") is not None, "nobody waits for a read by age"
        await issuer.asked.wait()
        assert await keys.find("k2") is not None, "joins the read that is under way"
        assert await keys.find("k1") is None


async def test_known_keys_serve_while_the_issuer_is_down() -> None:
    clock = FakeClock()
    async with little_issuer() as issuer, keys_of(issuer, clock) as keys:
        await keys.find("k1")
        issuer.is_down = True
        for _ in range(5):
            clock.advance(seconds=3_600)
            with pytest.raises(Unavailable):  # new or made up: that cannot be told
                await keys.find("k2")
            assert await keys.find("k1") is not None
        issuer.is_down = False
        issuer.keys.append(rsa_entry("k2"))
        clock.advance(seconds=10)
        assert await keys.find("k2") is not None


async def test_without_any_key_a_caller_is_told_when_to_come_again() -> None:
    clock = FakeClock()
    async with little_issuer() as issuer, keys_of(issuer, clock) as keys:
        issuer.is_down = True
        for waited, retry_after in ((0, 10), (3, 7), (6.5, 1)):
            clock.advance(seconds=waited)
            with pytest.raises(Unavailable) as refused:
                await keys.find("k1")
            assert refused.value.retry_after_seconds == retry_after
        issuer.is_down = False
        clock.advance(seconds=0.5)
        assert await keys.find("k1") is not None


async def test_a_caller_who_hangs_up_does_not_undo_the_read_of_the_others() -> None:
    async with little_issuer() as issuer, keys_of(issuer, FakeClock()) as keys:
        issuer.may_answer.clear()
        first = asyncio.create_task(keys.find("k1"))
        await issuer.asked.wait()
        second = asyncio.create_task(keys.find("k1"))
        first.cancel()
        await asyncio.wait({first})
        issuer.may_answer.set()
        assert await second is not None
        assert issuer.reads == 1


async def test_a_clock_put_back_does_not_keep_new_keys_out() -> None:
    clock = FakeClock()
    async with little_issuer() as issuer, keys_of(issuer, clock) as keys:
        await keys.find("k1")
        issuer.keys.append(rsa_entry("k2"))
        clock.advance(seconds=-86_400)
        assert await keys.find("k2") is not None


async def test_closing_ends_a_read_under_way() -> None:
    async with little_issuer() as issuer:
        async with keys_of(issuer, FakeClock()) as keys:
            issuer.may_answer.clear()
            waiting = asyncio.create_task(keys.find("k1"))
            await issuer.asked.wait()
        with pytest.raises(asyncio.CancelledError):
            await waiting


def _say(**discovery: object) -> Callable[[LittleIssuer], None]:
    return lambda issuer: issuer.discovery.update(discovery)


def _go_down(issuer: LittleIssuer) -> None:
    issuer.is_down = True


def _answer(path: str, **answer: object) -> Callable[[LittleIssuer], None]:
    def change(issuer: LittleIssuer) -> None:
        issuer.documents[path] = web.Response(**answer)  # type: ignore[arg-type]  # as it comes

    return change


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (_say(issuer="https://another.example.com"), "the settings name"),
        (_say(jwks_uri="ftp://x/jwks"), "https"),
        (_say(jwks_uri="file:///etc/passwd"), "https"),
        (_say(jwks_uri="http://[::1"), "InvalidURL"),
        (_say(jwks_uri="http://127.0.0.1:1/jwks"), "ConnectError"),
        (_say(jwks_uri=7), "jwks_uri"),
        (_answer(DISCOVERY_PATH, status=500), "500"),
        (_answer(DISCOVERY_PATH, status=302, headers={"location": "/jwks"}), "302"),
        (_answer("/jwks", body=b"<html>"), "not what it should be"),
        (_answer("/jwks", body=b"\xff\xfe"), "not what it should be"),
        (_answer("/jwks", body=b'{"keys": [{"kid": "\xff"}]}'), "not what it should be"),
        (_answer("/jwks", body=b'{"keys": {}}'), "not what it should be"),
        (_answer("/jwks", body=b'{"keys": [{"kid": ' + b"[" * 100_000), "not what it should be"),
        (_answer("/jwks", body=b" " * (MAX_DOCUMENT_BYTES + 1)), "more than"),
        (_go_down, "RemoteProtocolError|ReadError"),
    ],
)  # fmt: skip
async def test_a_broken_issuer_is_unavailable_and_says_how(
    break_it: Callable[[LittleIssuer], None], says: str
) -> None:
    async with little_issuer() as issuer:
        assert len(await HttpIssuer(issuer.url).read_keys()) == 2
        break_it(issuer)
        with pytest.raises(Unavailable, match=says):
            await HttpIssuer(issuer.url).read_keys()


async def test_an_issuer_that_hangs_is_given_up_at_the_deadline() -> None:
    async with little_issuer() as issuer:
        issuer.may_answer.clear()
        with pytest.raises(Unavailable, match="no answer within"):
            await HttpIssuer(issuer.url, deadline_seconds=1).read_keys()
        assert issuer.asked.is_set(), "it was reached, and hung"


async def test_rubbish_from_the_issuer_leaves_the_kept_keys_alone() -> None:
    clock = FakeClock()
    async with little_issuer() as issuer, keys_of(issuer, clock) as keys:
        await keys.find("k1")
        issuer.keys = []
        clock.advance(seconds=10)
        with pytest.raises(Unavailable):
            await keys.find("k2")
        assert await keys.find("k1") is not None


def test_only_strong_public_keys_of_our_algorithms_are_used() -> None:
    secret: dict[str, object] = {"kty": "oct", "kid": "oct", "alg": "HS256", "k": "c2VjcmV0"}
    entries: list[dict[str, object]] = [
        rsa_entry("k1"), ec_entry("e1"), secret, {**secret, "kid": "oct2", "alg": "RS256"},
        rsa_entry("weak", 1024), rsa_entry("k2", kid="enc", use="enc"),
        rsa_entry("k2", kid="ps", alg="PS256"), rsa_entry("k2", kid="hs", alg="HS256"),
        rsa_entry("k2", kid=7), rsa_entry("k2", kid="list", alg=["RS256"]),
        rsa_entry("k2", kid="private", d="AQAB"), rsa_entry("k2", kid="odd", n=7),
        rsa_entry("k2", kid="none", n=None), rsa_entry("k2", kid="not base64", n="!"),
        ec_entry("e1", kid="curve", crv="P-384"), ec_entry("e1", kid="off curve", x=43 * "A"),
        ec_entry("e1", kid="no x", x=None), {"kid": "nothing"}, {},
    ]  # fmt: skip
    found = usable_keys(entries)
    assert {kid: key.algorithm_name for kid, key in found.items()} == {"k1": "RS256", "e1": "ES256"}
    assert usable_keys([{k: v for k, v in rsa_entry("k1").items() if k not in {"alg", "use"}}])


def test_a_key_set_without_end_is_cut() -> None:
    many = [{"kid": f"x{n}"} for n in range(64)]
    with pytest.raises(Unavailable):
        usable_keys([*many, rsa_entry("k1")])
