"""IAM in place of a password; the server here takes what IAM would have looked at."""

from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from penstock.adapters import aurora
from penstock.adapters.aurora_tokens import AuroraTokens
from penstock.adapters.aws import aws_clients

from tests.fixtures.postgres import migrate

REGION = "eu-central-1"
DSN = "host=aurora.example port=5432 dbname=penstock user=penstock_service sslmode=require"


async def test_a_token_names_place_and_user_and_lasts_a_quarter_of_an_hour(
    aws_environment: str,
) -> None:
    async with aws_clients(REGION) as clients:
        token = await AuroraTokens(await clients.client("rds"), DSN).token()
    parts = urlsplit(f"https://{token}")
    told = parse_qs(parts.query)
    assert (parts.hostname, parts.port) == ("aurora.example", 5432)
    assert told["Action"] == ["connect"]
    assert told["DBUser"] == ["penstock_service"]
    assert told["X-Amz-Expires"] == ["900"]
    assert f"/{REGION}/rds-db/" in told["X-Amz-Credential"][0]


async def test_every_connection_gets_a_password_of_its_own(aurora_dsn: str) -> None:
    """A token that was good for the first connection is of no use to one made an hour later."""
    asked = 0

    async def password() -> str:
        nonlocal asked
        asked += 1
        return f"token-{asked}"

    async with aurora.open_pool(aurora_dsn, 2, password=password) as pool:
        async with pool.connection(), pool.connection():
            pass
        assert asked == 2


@pytest.fixture
def as_in_aurora(empty_dsn: str) -> str:
    """A data base whose server knows the role that stands for IAM, as RDS makes it."""
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS rds_iam")
        connection.execute("CREATE ROLE rds_iam")
    return empty_dsn


def test_services_own_the_schema_and_the_master_keeps_its_password(as_in_aurora: str) -> None:
    migrate(as_in_aurora)
    migrate(as_in_aurora)  # a deployment without news changes nothing
    try:
        with psycopg.connect(as_in_aurora, autocommit=True) as connection:
            master = connection.execute(
                "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid"
                " WHERE r.rolname IN ('rds_iam', 'penstock_service')"
                " AND m.member = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
            ).fetchone()
            assert master == (0,)
            connection.execute("SET ROLE penstock_service")
            connection.execute("SELECT ensure_predictions_partition('2026-11-20')")
            rows = connection.execute("SELECT count(*) FROM predictions").fetchone()
            assert rows == (0,)
    finally:
        _forget_roles(as_in_aurora)


def _forget_roles(dsn: str) -> None:
    # Roles are the whole server's: other tests migrate as on any PostgreSQL.
    with psycopg.connect(dsn, autocommit=True) as connection:
        for role in ("penstock_service", "penstock_owner", "rds_iam"):
            connection.execute(f"DROP OWNED BY {role}".encode())
            connection.execute(f"DROP ROLE {role}".encode())
