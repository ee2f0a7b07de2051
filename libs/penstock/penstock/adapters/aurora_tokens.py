"""Aurora entered without a password of its own: IAM vouches for the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from penstock.adapters.aurora import Pool, open_pool
from penstock.adapters.aurora_tls import require_verified, verified
from penstock.adapters.aws import AwsClients

_POSTGRES_PORT = 5432


class AuroraSettings(BaseModel):
    """Where Aurora is."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    dsn: SecretStr
    """Address, user and, unless IAM lets us in, password, as libpq writes them."""
    pool_size: Annotated[int, Field(ge=1, le=64)] = 4
    """Connections that a process holds at most."""
    iam: bool = False
    """Whether each connection gets a token of IAM for its password, as in AWS."""
    root_certificate: Path | None = None
    """File of the authorities that may vouch for the server, which is verified then by its name;
    `iam` needs it."""


@asynccontextmanager
async def open_aurora(clients: AwsClients, settings: AuroraSettings) -> AsyncIterator[Pool]:
    """Own a pool; with `iam` each connection gets a token in place of the password.

    With `root_certificate` the server is verified by that file's authorities. Raise InvalidInput
    where the file cannot be read, and where tokens would go to a server that nobody verifies.
    """
    dsn = verified(settings.dsn.get_secret_value(), settings.root_certificate)
    if not settings.iam:
        async with open_pool(dsn, settings.pool_size) as pool:
            yield pool
        return
    require_verified(dsn)
    tokens = AuroraTokens(await clients.client("rds"), dsn)
    async with open_pool(dsn, settings.pool_size, password=tokens.token) as pool:
        yield pool


class AuroraTokens:
    """Tokens for the place and user of a DSN. They open connections for 15 min, and none closes
    when that is over.
    """

    def __init__(self, client: Any, dsn: str) -> None:
        """Keep whom the tokens are for."""
        told = conninfo_to_dict(dsn)
        self._client = client
        self._host = str(told["host"])
        self._port = int(told.get("port") or _POSTGRES_PORT)
        self._user = str(told["user"])

    async def token(self) -> str:
        """Sign a token; nobody is asked but, now and then, for the task's own credentials."""
        token: str = await self._client.generate_db_auth_token(
            DBHostname=self._host, Port=self._port, DBUsername=self._user
        )
        return token
