"""A Snowflake session: one connection in one thread of its own, every wait with a deadline."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Annotated, Any, TypeVar

import snowflake.connector
from cryptography.hazmat.primitives import serialization
from penstock.domain.errors import InvalidInput, StoreUnavailable
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from snowflake.connector.errors import Error as SnowflakeError

T = TypeVar("T")

Connection = Any
"""`snowflake.connector.SnowflakeConnection`: the connector ships no types."""


class SnowflakeSettings(BaseModel):
    """Where Snowflake is and who we are: a key pair, or a password where keys can't be had."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, use_attribute_docstrings=True)

    account: str
    """Account identifier."""
    user: str
    """User, best one of type SERVICE."""
    password: SecretStr | None = None
    """Password, where a key pair can't be had."""
    private_key: SecretStr | None = None
    """Private key as PEM, on one line with escaped line ends or on many."""
    private_key_passphrase: SecretStr | None = None
    """Passphrase of the private key."""
    role: str | None = None
    """Role; the user's default otherwise."""
    warehouse: str | None = None
    """Warehouse; the user's default otherwise."""
    database: str = "PENSTOCK"
    """Database of the tables."""
    schema_name: Annotated[str, Field(alias="schema")] = "PUBLIC"
    """Schema of the tables."""
    host: str | None = None
    """Host, where it does not follow from the account."""
    port: int | None = None
    """Port, where it is not 443."""
    protocol: str = "https"
    """https, or http for a stand-in."""
    connect_seconds: float = 30.0
    """How long connecting may take."""
    statement_seconds: float = 120.0
    """How long the work of one write may take."""
    network_seconds: int = 60
    """How long the connector retries one request."""
    keep_alive: bool = False
    """Whether the session is kept alive while nothing is written."""
    create_tables: bool = True
    """Whether tables and views that are missing are made."""
    can_remove: bool = True
    """Whether staged files are removed once loaded."""


class SnowflakeSession:
    """Runs work on one connection, and starts over with a new one after any error.

    The connector blocks, retries inside and may outlive its own time-outs by minutes, so it works
    in a thread that can be left behind: what it still does there is harmless when repeated.
    """

    def __init__(
        self, settings: SnowflakeSettings, *, prepare: Callable[[Connection], None]
    ) -> None:
        """Keep the settings; `prepare` runs on each new connection."""
        self._settings = settings
        self._prepare = prepare
        self._lock = asyncio.Lock()
        self._thread: _Thread | None = None
        self._connection: Connection | None = None

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Connect where needed, then run `work`; raise StoreUnavailable where that fails."""
        async with self._lock:
            try:
                connection = await self._connected()
                return await self._call(lambda: work(connection), self._settings.statement_seconds)
            except (SnowflakeError, OSError, StoreUnavailable) as error:
                # Tokens expire (390114), sessions vanish (250001), transactions stay open: a new
                # connection is the one answer that is right for all of them.
                await self.close()
                raise StoreUnavailable(f"snowflake: {error}") from error

    async def close(self) -> None:
        """Drop the connection; wait a little for its end, not more."""
        connection, self._connection = self._connection, None
        if connection is not None and self._thread is not None:
            with contextlib.suppress(SnowflakeError, OSError, StoreUnavailable):
                await self._call(lambda: _end(connection), 5.0)
        if self._thread is not None:
            self._thread.end()
            self._thread = None

    async def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = await self._call(self._connect, self._settings.connect_seconds)
        return self._connection

    def _connect(self) -> Connection:
        connection = snowflake.connector.connect(**connect_arguments(self._settings))
        self._prepare(connection)
        return connection

    async def _call(self, work: Callable[[], T], seconds: float) -> T:
        if self._thread is None:
            self._thread = _Thread("snowflake")
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(self._thread.submit(work))
        except TimeoutError as error:
            self._thread.end()
            self._thread = self._connection = None
            raise StoreUnavailable(f"no answer within {seconds:g} s") from error


def connect_arguments(settings: SnowflakeSettings) -> dict[str, Any]:
    """Make the arguments of `snowflake.connector.connect`; raise InvalidInput without a secret."""
    optional = {
        "host": settings.host, "port": settings.port, "role": settings.role,
        "warehouse": settings.warehouse, "password": _reveal(settings.password),
    }  # fmt: skip
    arguments: dict[str, Any] = {
        name: value for name, value in optional.items() if value is not None
    }
    if settings.private_key is not None:
        arguments.pop("password", None)
        arguments["private_key"] = _private_key(settings.private_key, settings)
    elif settings.password is None:
        raise InvalidInput("snowflake needs a private key or a password")
    return arguments | {
        "account": settings.account,
        "user": settings.user,
        "database": settings.database,
        "schema": settings.schema_name,
        "protocol": settings.protocol,
        "autocommit": False,
        "login_timeout": max(1, int(settings.connect_seconds / 2)),
        "network_timeout": settings.network_seconds,
        "client_session_keep_alive": settings.keep_alive,
        "application": "Penstock",
        "session_parameters": {"QUERY_TAG": "penstock", "TIMEZONE": "UTC"},
        "platform_detection_timeout_seconds": 0,  # else every login asks the cloud's metadata
    }


def _private_key(pem: SecretStr, settings: SnowflakeSettings) -> bytes:
    # Environments and secret stores often carry the line ends of a PEM as backslash and n.
    text = pem.get_secret_value().replace("\\n", "\n").encode()
    passphrase = _reveal(settings.private_key_passphrase)
    try:
        key = serialization.load_pem_private_key(text, passphrase.encode() if passphrase else None)
    except (ValueError, TypeError) as error:
        raise InvalidInput("snowflake's private key cannot be read as PEM") from error
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _reveal(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _end(connection: Connection) -> None:
    connection.rollback()
    connection.close()


class _Thread:
    """A daemon thread that runs one thing after another: an executor's would hold up the exit."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        # What fails after nobody waits for it any more has been told of when it was given up.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        async def run() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(_give_up_the_rest())
        self._loop.close()


async def _give_up_the_rest() -> None:
    """End what was asked for and not begun yet: where a thread starts late, that may be all."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
