"""Whoever poses as Aurora is not let in: libpq itself verifies, over real TLS, before any secret.

The server of the embedded stack has no TLS; a front of the tests speaks it before that server.
"""

import asyncio
from pathlib import Path

import psycopg
import pytest
from penstock.adapters import aurora
from penstock.adapters.aurora_tls import verified
from penstock.adapters.aurora_tokens import AuroraSettings, open_aurora
from penstock.adapters.aws import aws_clients
from penstock.domain.errors import InvalidInput, StoreUnavailable
from pydantic import SecretStr

from tests.fixtures.authorities import Authority
from tests.fixtures.postgres import migrate
from tests.integration.penstock.tls_front import tls_front

REGION = "eu-central-1"


def settings(dsn: str, bundle: Path | None = None, *, iam: bool = True) -> AuroraSettings:
    return AuroraSettings(dsn=SecretStr(dsn), pool_size=1, iam=iam, root_certificate=bundle)


RDS = Authority("Amazon RDS eu-central-1 Root CA RSA2048 G1")
OTHER = Authority("Amazon RDS eu-central-1 Root CA RSA4096 G1")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """As RDS publishes its authorities: several in one file, ours not the first."""
    return write(tmp_path / "bundle.pem", f"{OTHER.pem}{RDS.pem}")


def write(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


async def test_the_server_that_an_authority_of_the_bundle_vouches_for_is_let_in(
    aurora_dsn: str, bundle: Path, tmp_path: Path, aws_environment: str
) -> None:
    async with (
        tls_front(RDS.server("localhost", tmp_path), aurora_dsn) as front,
        aws_clients(REGION) as clients,
        open_aurora(clients, settings(front.dsn("localhost"), bundle)) as pool,
    ):
        await aurora.ping(pool)
        assert front.entered == 1


@pytest.mark.parametrize(
    ("authority", "certified", "why"),
    [
        (Authority(RDS.name), "localhost", "certificate verify failed"),
        (OTHER, "localhost", "certificate verify failed"),
        (RDS, "aurora.example", r'"aurora.example".* does not match host name "localhost"'),
    ],
    ids=["same-name-other-key", "other-authority", "other-host"],
)
async def test_who_poses_as_aurora_is_refused_before_any_secret_is_sent(
    aurora_dsn: str, tmp_path: Path, *, authority: Authority, certified: str, why: str
) -> None:
    trusted = write(tmp_path / "trusted.pem", RDS.pem)
    async with tls_front(authority.server(certified, tmp_path), aurora_dsn) as front:
        with pytest.raises(psycopg.OperationalError, match=why):
            await connected(front.dsn("localhost"), trusted)
    assert (front.asked, front.entered) == (1, 0)


async def test_a_server_that_has_no_tls_is_refused(aurora_dsn: str, bundle: Path) -> None:
    with pytest.raises(psycopg.OperationalError, match="does not support SSL"):
        await connected(aurora_dsn, bundle)


async def test_without_its_file_a_command_is_refused_and_does_not_go_on_unverified(
    aurora_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The DSN of the templates asks for verification by itself."""
    monkeypatch.setenv("HOME", str(tmp_path))
    async with tls_front(RDS.server("localhost", tmp_path), aurora_dsn) as front:
        with pytest.raises(psycopg.OperationalError, match=r'"[^"]*root.crt" does not exist'):
            await connected(f"{front.dsn('localhost')} sslmode=verify-full", None)


async def connected(dsn: str, root_certificate: Path | None) -> None:
    """Connect once as the pool does, and leave."""
    dsn = verified(dsn, root_certificate)
    connection = await psycopg.AsyncConnection.connect(dsn, password="token")
    await connection.close()


async def test_the_pool_tells_why_it_has_no_connection_and_enters_once_it_can(
    aurora_dsn: str, bundle: Path, tmp_path: Path
) -> None:
    forged, right = (one.server("localhost", tmp_path) for one in (Authority(RDS.name), RDS))
    async with (
        tls_front(forged, aurora_dsn) as front,
        aurora.open_pool(verified(front.dsn("localhost"), bundle), 1) as pool,
    ):
        with pytest.raises(StoreUnavailable, match="certificate verify failed"):
            await aurora.ping(pool)
        front.context = right
        await aurora.ping(pool)


@pytest.mark.parametrize("mode", ["", " sslmode=require", " sslmode=verify-ca"])
async def test_no_token_is_made_for_a_server_that_nobody_verifies(
    mode: str, aws_environment: str
) -> None:
    async with aws_clients(REGION) as clients:
        pool = open_aurora(clients, settings(f"host=aurora.example user=penstock{mode}"))
        with pytest.raises(InvalidInput, match="set AURORA__ROOT_CERTIFICATE"):
            await pool.__aenter__()


@pytest.mark.parametrize("text", [None, "<html>no bundle of this region</html>"])
async def test_a_bundle_that_is_missing_or_none_is_told_at_the_start(
    text: str | None, tmp_path: Path, aws_environment: str
) -> None:
    file = tmp_path / "aurora.pem"
    if text is not None:
        write(file, text)
    async with aws_clients(REGION) as clients:
        pool = open_aurora(clients, settings("host=aurora", file, iam=False))
        with pytest.raises(InvalidInput, match=r"aurora.pem: .*; infra/README.md tells how"):
            await pool.__aenter__()


async def test_migrations_verify_the_server_too(
    empty_dsn: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_AURORA_ROOT_CERTIFICATE", str(bundle))
    async with tls_front(RDS.server("localhost", tmp_path), empty_dsn) as front:
        await asyncio.to_thread(migrate, front.dsn("localhost"))
        assert front.entered == 1
    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute("SELECT count(*) FROM predictions").fetchone() == (0,)
