"""The door for people over a real issuer: who comes in, and what the others are told."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import httpx
import jwt
import pytest
from fastapi import Depends, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from penstock.adapters.issuer import HttpIssuer
from penstock.adapters.memory import FakeClock
from penstock.runtime import http
from penstock.runtime.auth import Caller, Refusal, install_tokens, require
from penstock.runtime.oidc import MAX_TOKEN_BYTES, OidcTokens, tokens_of
from penstock.runtime.settings import OidcSettings, Role
from penstock.runtime.telemetry import Metrics
from structlog.testing import capture_logs

from tests.fixtures.issuer import (
    CLIENT,
    NOW,
    LittleIssuer,
    little_issuer,
    public_pem,
    rsa_entry,
    rsa_key,
)

ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")


@dataclass(frozen=True)
class Door:
    issuer: LittleIssuer
    clock: FakeClock
    client: httpx.AsyncClient

    async def ask(self, token: str, role: Role = "viewer") -> httpx.Response:
        return await self.client.get(f"/{role}", headers={"authorization": f"Bearer {token}"})


def make_app(judge: OidcTokens | None, clock: FakeClock, metrics: Metrics) -> FastAPI:
    app = FastAPI()
    install_tokens(app.state, {"a-static-token": "operator"}, judge)
    http.install(app, clock=clock, metrics=metrics, checks={})
    for role in ROLES:

        @app.get(f"/{role}")
        async def who(caller: Annotated[Caller, Depends(require(role))]) -> dict[str, str]:
            return {"name": caller.name, "role": caller.role}

    return app


@asynccontextmanager
async def door(*, is_on: bool = True) -> AsyncIterator[Door]:
    async with little_issuer() as issuer:
        clock, metrics = FakeClock(), Metrics("test")
        rules = OidcSettings(issuer=issuer.url if is_on else "", audience=CLIENT)
        judge = tokens_of(rules, HttpIssuer(issuer.url), clock, metrics)
        app = make_app(judge, clock, metrics)
        # As a server would: an error of ours is an answer of 500, not one of the test's own.
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://penstock") as client:
            yield Door(issuer, clock, client)
        if judge is not None:
            await judge.close()


def forge(header: object, claims: object, signature: bytes = b"") -> str:
    def written(part: object) -> str:
        raw = part if isinstance(part, bytes) else json.dumps(part).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    return f"{written(header)}.{written(claims)}.{written(signature)}"


def signed_by_secret(header: object, claims: object, secret: bytes) -> str:
    unsigned = forge(header, claims).rsplit(".", 1)[0]
    mark = hmac.new(secret, unsigned.encode(), hashlib.sha256).digest()
    return f"{unsigned}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


@pytest.mark.parametrize("key", ["k1", "e1"])
@pytest.mark.parametrize("held", ROLES)
async def test_a_token_opens_what_its_role_may(held: Role, key: str) -> None:
    async with door() as at:
        token = at.issuer.token(key, cognito_groups=[held])
        for needed in ROLES:
            answer = await at.ask(token, needed)
            is_enough = ROLES.index(held) >= ROLES.index(needed)
            assert answer.status_code == (200 if is_enough else 403)
            if is_enough:
                assert answer.json() == {"name": "anna@example.com (oidc:7f3c)", "role": held}
            else:
                assert (
                    answer.json()["detail"] == f"this needs the role {needed}; the token has {held}"
                )


async def test_an_access_token_of_cognito_opens_too() -> None:
    async with door() as at:
        token = at.issuer.token(aud=None, token_use="access", client_id=CLIENT, email=None)
        assert (await at.ask(token)).json()["name"] == "oidc:7f3c"


async def test_static_tokens_serve_beside_the_issuers() -> None:
    async with door() as at:
        assert (await at.ask("a-static-token")).json() == {"name": "operator-0", "role": "operator"}
        assert at.issuer.reads == 0, "the issuer is not asked for what is known here"
        assert (await at.ask(at.issuer.token())).status_code == 200


async def test_without_an_issuer_its_tokens_prove_nobody() -> None:
    async with door(is_on=False) as at:
        answer = await at.ask(at.issuer.token())
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert (await at.ask("a-static-token")).status_code == 200


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"exp": NOW - 31}, "the token expired at 2026-09-21T14:12:49.000000Z; sign in again"),
        ({"aud": "another"}, "made for another application"),
        ({"iss": "https://another.example.com"}, "not of the issuer http://127.0.0.1:"),
        ({"sub": None}, "names no subject"),
        ({"headers": {"typ": "logout+jwt"}}, "no access or id token"),
        ({"headers": {"crit": ["x"], "x": 1}}, "neither known here nor"),
        ({"key": "k9"}, "a key that http://127.0.0.1:"),
        ({"key": "k9", "kid": "k1"}, "signature is not of the issuer"),
        ({"key": "k1", "kid": "e1"}, "signature is not of the issuer"),
        ({"key": "e1", "kid": "k1"}, "signature is not of the issuer"),
    ],
)  # fmt: skip
async def test_a_refused_token_is_told_why(changes: dict[str, object], says: str) -> None:
    async with door() as at:
        answer = await at.ask(at.issuer.token(**changes))  # type: ignore[arg-type]  # by name
    assert answer.status_code == 401
    assert says in answer.json()["detail"]
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer error="invalid_token", error_description="')
    assert says in challenge


async def test_nobody_without_a_group_comes_in() -> None:
    async with door() as at:
        answer = await at.ask(at.issuer.token(cognito_groups=["guests"]))
    assert answer.status_code == 403
    assert "names none of the groups admin, operator, viewer" in answer.json()["detail"]
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "", None, ["RS256"], 7])
async def test_a_token_that_nobody_signed_is_refused(algorithm: object) -> None:
    async with door() as at:
        header = {"alg": algorithm, "kid": "k1", "typ": "JWT"}
        for signature in (b"", b"x"):
            token = forge(header, at.issuer.claims(cognito_groups=["admin"]), signature)
            answer = await at.ask(token)
            assert answer.status_code == 401
            assert "not signed with RS256 or ES256" in answer.json()["detail"]


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256"])
async def test_the_public_key_is_no_secret_to_sign_with(algorithm: str) -> None:
    """Key confusion: everybody has the public key, so a mark made with it proves nothing."""
    async with door() as at:
        claims = at.issuer.claims(cognito_groups=["admin"])
        for secret in (public_pem("k1"), json.dumps(rsa_entry("k1")).encode()):
            for kid in ("k1", "e1"):
                token = signed_by_secret({"alg": algorithm, "kid": kid}, claims, secret)
                assert (await at.ask(token)).status_code == 401


async def test_a_secret_among_the_issuers_keys_opens_nothing() -> None:
    async with door() as at:
        secret = b"thirty-two bytes that are secret"
        written = base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
        at.issuer.keys.append({"kty": "oct", "kid": "s1", "alg": "HS256", "k": written})
        token = signed_by_secret({"alg": "HS256", "kid": "s1"}, at.issuer.claims(), secret)
        assert (await at.ask(token)).status_code == 401


async def test_a_key_inside_the_token_is_not_looked_at() -> None:
    async with door() as at:
        for header in (
            {"jwk": rsa_entry("k9")},
            {"jku": "https://evil.test"},
            {"x5u": "https://e"},
        ):
            token = at.issuer.token("k9", headers=header)
            assert (await at.ask(token)).status_code == 401
        claims = at.issuer.claims()
        no_kid = jwt.encode(claims, rsa_key("k1"), "RS256")
        assert "names no key" in (await at.ask(no_kid)).json()["detail"]


async def test_an_unknown_key_is_asked_for_once_and_then_refused() -> None:
    async with door() as at:
        assert (await at.ask(at.issuer.token())).status_code == 200
        at.clock.advance(seconds=10)
        for _ in range(3):
            assert (await at.ask(at.issuer.token("k9"))).status_code == 401
        assert at.issuer.reads == 2


async def test_a_rotated_key_opens_at_once() -> None:
    async with door() as at:
        assert (await at.ask(at.issuer.token("k1"))).status_code == 200
        at.issuer.keys = [rsa_entry("k2")]
        at.clock.advance(seconds=10)
        assert (await at.ask(at.issuer.token("k2"))).status_code == 200
        assert (await at.ask(at.issuer.token("k1"))).status_code == 401


async def test_an_issuer_that_is_down_stops_only_whom_it_never_vouched_for() -> None:
    async with door() as at:
        at.issuer.is_down = True
        answer = await at.ask(at.issuer.token())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert "cannot be read at present" in answer.json()["detail"]
        assert (await at.ask("a-static-token")).status_code == 200
        at.issuer.is_down = False
        at.clock.advance(seconds=10)
        assert (await at.ask(at.issuer.token())).status_code == 200
        at.issuer.is_down = True
        at.clock.advance(seconds=3_000)
        assert (await at.ask(at.issuer.token())).status_code == 200
        metrics = (await at.client.get("/metrics")).text
        assert 'penstock_issuer_reads_total{outcome="failed"} 1.0' in metrics
        assert 'penstock_issuer_reads_total{outcome="read"} 1.0' in metrics


async def test_a_huge_token_is_refused_before_it_is_read() -> None:
    async with door() as at:
        answer = await at.ask(at.issuer.token(padding="x" * MAX_TOKEN_BYTES))
        assert answer.status_code == 401
        assert "longer than 16384 bytes" in answer.json()["detail"]
        assert at.issuer.reads == 0


GARBAGE = [
    "x", ".", "..", "a.b", "a.b.c", "....", "eyJhbGciOiJSUzI1NiJ9", "\xff\xfe", "a" * 9_000,
    forge(b"not json", {}), forge([], {}), forge("text", {}), forge(b"[" * 8_000, {}),
    forge({"alg": "RS256", "kid": "k1"}, b"\xff"), forge({"alg": "RS256", "kid": 7}, {}),
    forge({"alg": "RS256", "kid": ["k1"]}, {}), forge({"alg": "RS256", "kid": "k1"}, {}, b"\0"),
    forge({"alg": "ES256", "kid": "e1"}, {}, b"\0" * 64),
    forge({"alg": "RS256", "kid": "k1", "b64": False, "crit": ["b64"]}, {}),
    forge(b'{"alg": "RS256", "kid": "k1", "n": ' + b"9" * 5_000 + b"}", {}),
]  # fmt: skip


async def test_garbage_is_refused_like_any_other_token() -> None:
    async with door() as at:
        for token in GARBAGE:
            header = f"Bearer {token}".encode("latin-1")
            answer = await at.client.get("/viewer", headers={b"authorization": header})
            assert answer.status_code == 401, token
            assert answer.headers["www-authenticate"].startswith("Bearer"), token


async def test_signed_rubbish_is_refused_too() -> None:
    """Also the issuer may err: what it signed is no object, no JSON, or nested without end."""
    async with door() as at:
        jws = jwt.PyJWS()
        for payload in (b"[]", b"7", b"", b"\xff", b'{"exp": NaN}', b'{"a":' + b"[" * 8_000):
            token = jws.encode(payload, rsa_key("k1"), "RS256", headers={"kid": "k1"})
            assert (await at.ask(token)).status_code == 401, payload


@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64"]),
        st.sampled_from(["RS256", "ES256", "k1", "e1", "none", None, False, 7, ["b64"], {}]),
    ),
    payload=st.binary(max_size=40),
    signature=st.binary(max_size=80),
    cut=st.integers(0, 60),
)
async def test_no_token_of_anybody_else_is_more_than_refused(
    header: dict[str, object], payload: bytes, signature: bytes, cut: int
) -> None:
    issuer = LittleIssuer("http://127.0.0.1:1")

    class Published:
        async def read_keys(self) -> list[dict[str, object]]:
            return list(issuer.keys)

    rules = OidcSettings(issuer=issuer.url, audience=CLIENT)
    judge = OidcTokens(rules, Published(), FakeClock(), Metrics("test"))
    for token in (forge(header, payload, signature), forge(header, payload, signature)[cut:]):
        assert isinstance(await judge.judge(token), Refusal)


async def test_nothing_of_a_token_is_logged_or_answered() -> None:
    async with door() as at:
        tokens = [
            at.issuer.token(), at.issuer.token(exp=1), at.issuer.token("k9"), *GARBAGE[-6:],
            at.issuer.token(iss="https://secret.example.com/secret"), at.issuer.token(aud="secret"),
            at.issuer.token(cognito_groups=["secret"]), at.issuer.token(kid="secret"),
            at.issuer.token(headers={"typ": "secret"}),
        ]  # fmt: skip
        with capture_logs() as logs:
            said = [(await at.ask(token)).text for token in tokens]
            at.issuer.is_down = True
            at.clock.advance(seconds=3_600)
            said.append((await at.ask(at.issuer.token(kid="secret"))).text)
    told = json.dumps([logs, said])
    assert "secret" not in told
    assert "Traceback" not in told
    for token in tokens:
        assert not any(part in told for part in token.split(".") if len(part) > 8)
    assert {"request.answered", "issuer_keys.read", "issuer_keys.not_read"} == {
        entry["event"] for entry in logs
    }
