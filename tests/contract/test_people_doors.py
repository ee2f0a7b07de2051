"""Every service with people at its door: no route but health answers without a token that holds."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import console.app
import console.dependencies
import console.settings
import httpx
import pytest
import results_writer.app
import results_writer.settings
import training_orchestrator.app
import training_orchestrator.dependencies
import training_orchestrator.settings
from fastapi import FastAPI
from penstock.adapters.aurora_tokens import AuroraSettings
from penstock.runtime.settings import OidcSettings
from pydantic import SecretStr

from tests.fixtures.issuer import CLIENT, LittleIssuer, little_issuer

HEALTH = {"/healthz", "/readyz", "/metrics"}
STATIC = {"api_tokens": {"a-static-token": "viewer"}}


def nothing_of(state: type[Any]) -> Any:
    """A state without any part: a refused request must not get so far as to ask for one."""
    return object.__new__(state)


def make_console(oidc: OidcSettings) -> FastAPI:
    aurora = AuroraSettings(dsn=SecretStr("host=127.0.0.1"))
    settings = console.settings.Settings.model_validate({"oidc": oidc, "aurora": aurora, **STATIC})
    app = console.app.create_app(settings)
    app.state.console = nothing_of(console.dependencies.State)
    return app


def make_orchestrator(oidc: OidcSettings) -> FastAPI:
    settings = training_orchestrator.settings.Settings.model_validate({"oidc": oidc, **STATIC})
    app = training_orchestrator.app.create_app(settings)
    app.state.orchestrator = nothing_of(training_orchestrator.dependencies.State)
    return app


def make_writer(oidc: OidcSettings) -> FastAPI:
    settings = results_writer.settings.Settings.model_validate({"oidc": oidc, **STATIC})
    app = results_writer.app.create_app(settings)
    app.state.consumers = {}
    return app


Make = Callable[[OidcSettings], FastAPI]
DOORS = pytest.mark.parametrize("make", [make_console, make_orchestrator, make_writer])


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    for path, operations in app.openapi()["paths"].items():
        for method in operations:
            yield method, path.replace("{", "").replace("}", "")


def without_proof(issuer: LittleIssuer) -> dict[str, tuple[str, int]]:
    """Headers that open nothing, with the status they are answered with."""
    now = int(time.time())
    live: dict[str, Any] = {"iat": now - 60, "exp": now + 600}
    return {
        "nothing": ("", 401),
        "an empty token": ("Bearer ", 401),
        "another scheme": ("Basic YTpi", 401),
        "a guess": ("Bearer guess", 401),
        "an expired token": (f"Bearer {issuer.token(exp=now - 3_600)}", 401),
        "a stranger's token": (f"Bearer {issuer.token('k9', kid='k1', **live)}", 401),
        "another application's": (f"Bearer {issuer.token(aud='another', **live)}", 401),
        "no role": (f"Bearer {issuer.token(cognito_groups=[], **live)}", 403),
    }


@DOORS
async def test_no_route_but_health_answers_without_a_token_that_holds(make: Make) -> None:
    async with little_issuer() as issuer:
        app = make(OidcSettings(issuer=issuer.url, audience=CLIENT))
        transport = httpx.ASGITransport(app)
        routes = [(method, path) for method, path in routes_of(app) if path not in HEALTH]
        assert routes
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
            for what, (header, status) in without_proof(issuer).items():
                for method, path in routes:
                    answer = await client.request(
                        method, path, headers={"authorization": header} if header else {}
                    )
                    assert answer.status_code == status, (what, method, path, answer.text)
                    assert answer.headers["www-authenticate"].startswith("Bearer"), what
            assert (await client.get("/healthz")).status_code == 200


@DOORS
async def test_where_the_issuer_does_not_answer_no_route_answers_either(make: Make) -> None:
    async with little_issuer() as issuer:
        app = make(OidcSettings(issuer=issuer.url, audience=CLIENT))
        issuer.is_down = True
        headers = {"authorization": f"Bearer {issuer.token()}"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
            for method, path in routes_of(app):
                if path in HEALTH:
                    continue
                answer = await client.request(method, path, headers=headers)
                assert answer.status_code == 503, (method, path)
                assert 1 <= int(answer.headers["retry-after"]) <= 10
            assert (await client.get("/healthz")).status_code == 200


async def test_a_viewer_of_the_issuer_comes_in_and_an_operators_order_is_refused() -> None:
    async with little_issuer() as issuer:
        app = make_writer(OidcSettings(issuer=issuer.url, audience=CLIENT))
        now = int(time.time())
        token = issuer.token(iat=now - 60, exp=now + 600)
        headers = {"authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
            assert (await client.get("/v1/sinks", headers=headers)).json() == []
            refused = await client.post("/v1/sinks/lake/retry", headers=headers)
            assert refused.status_code == 403
            assert "operator" in refused.json()["detail"]
