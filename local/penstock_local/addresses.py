"""How the parts are reached: all on loopback, or in containers each by its own name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from penstock_local.ports import LOOPBACK

AURORA_DATABASE = "penstock"
AURORA_USER = "postgres"
SNOWFLAKE_DATABASE = "PENSTOCK"
SNOWFLAKE_SCHEMA = "PUBLIC"


@dataclass(frozen=True, slots=True)
class Address:
    """Where others reach a part."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The part as an HTTP server."""
        return http_url(self.port, host=self.host)


Addresses: TypeAlias = Mapping[str, Address]
"""Address by part."""


def on_loopback(ports: Mapping[str, int]) -> Addresses:
    """The parts of one machine."""
    return {name: Address(LOOPBACK, port) for name, port in ports.items()}


def by_own_names(ports: Mapping[str, int]) -> Addresses:
    """The parts as containers of one network, where the name of a part is its host."""
    return {name: Address(name, port) for name, port in ports.items()}


def http_url(port: int, *, host: str = LOOPBACK) -> str:
    """A server of ours."""
    return f"http://{host}:{port}"


def aurora_dsn(port: int, database: str = AURORA_DATABASE, *, host: str = LOOPBACK) -> str:
    """Aurora, as libpq and psycopg read it; there is no password."""
    return f"postgresql://{AURORA_USER}@{host}:{port}/{database}"


def snowflake_connection(port: int, *, host: str = LOOPBACK) -> dict[str, str | int]:
    """Arguments of `snowflake.connector.connect`; the stand-in takes any user and password."""
    return {
        "account": "fakesnow",
        "user": "penstock",
        "password": "penstock",
        "host": host,
        "port": port,
        "protocol": "http",
        "database": SNOWFLAKE_DATABASE,
        "schema": SNOWFLAKE_SCHEMA,
    }


def backends(addresses: Addresses, services: Iterable[str]) -> list[str]:
    """Arguments that tell the front door where the services are."""
    return [f"--backend={name}={addresses[name].url}" for name in services]
