"""How the stand-ins are reached, by their ports."""

from penstock_local.ports import LOOPBACK

AURORA_DATABASE = "penstock"
AURORA_USER = "postgres"
SNOWFLAKE_DATABASE = "PENSTOCK"
SNOWFLAKE_SCHEMA = "PUBLIC"


def http_url(port: int) -> str:
    """A server of ours."""
    return f"http://{LOOPBACK}:{port}"


def aurora_dsn(port: int, database: str = AURORA_DATABASE) -> str:
    """Aurora, as libpq and psycopg read it; there is no password."""
    return f"postgresql://{AURORA_USER}@{LOOPBACK}:{port}/{database}"


def snowflake_connection(port: int) -> dict[str, str | int]:
    """Arguments of `snowflake.connector.connect`; the stand-in takes any user and password."""
    return {
        "account": "fakesnow",
        "user": "penstock",
        "password": "penstock",
        "host": LOOPBACK,
        "port": port,
        "protocol": "http",
        "database": SNOWFLAKE_DATABASE,
        "schema": SNOWFLAKE_SCHEMA,
    }
