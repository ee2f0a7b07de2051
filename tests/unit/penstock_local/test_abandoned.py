"""Which sessions of the Snowflake stand-in are taken for those of dead clients."""

import gzip
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from penstock_local.abandoned import AbandonedSessions


class Connection:
    """Remembers that it was rolled back and closed, in this order."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def rollback(self) -> None:
        self.said.append("rollback")

    def close(self) -> None:
        self.said.append("close")


class Server:
    """Two sessions before a server that answers everything, and a clock to set."""

    def __init__(self) -> None:
        self.now = 0.0
        self.during_next: Callable[[], Awaitable[None]] | None = None
        """What others ask while the next statement is being answered."""
        self.mine, self.others = Connection(), Connection()
        self.sessions = {"mine": self.mine, "others": self.others}
        self._app = AbandonedSessions(
            self._answer, self.sessions, idle_seconds=3.0, clock=lambda: self.now
        )

    async def ask(self, token: str, statement: str, *, zipped: bool = False) -> None:
        body = json.dumps({"sqlText": statement}).encode()
        sent = iter([{"type": "http.request", "body": gzip.compress(body) if zipped else body}])

        async def receive() -> dict[str, Any]:
            return next(sent)

        async def send(_: Any) -> None:
            pass

        headers = [(b"authorization", f'Snowflake Token="{token}"'.encode())]
        await self._app({"type": "http", "headers": headers}, receive, send)

    async def _answer(self, _scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        during, self.during_next = self.during_next, None
        if during is not None:
            await during()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.mark.parametrize("statement", ["MERGE INTO t", " insert into t", "COPY INTO t", "update t"])
@pytest.mark.parametrize("zipped", [True, False])
async def test_a_silent_session_with_changes_ends_when_another_asks(
    server: Server, statement: str, zipped: bool
) -> None:
    await server.ask("others", statement, zipped=zipped)
    server.now = 2.9
    await server.ask("mine", "SELECT 1")
    assert server.others.said == []

    server.now = 3.0
    await server.ask("mine", "SELECT 1")

    assert server.others.said == ["rollback", "close"]
    assert list(server.sessions) == ["mine"]


async def test_every_word_of_a_session_keeps_it(server: Server) -> None:
    await server.ask("others", "MERGE INTO t")
    for server.now in (2.0, 4.0, 6.0):
        await server.ask("others", "SELECT 1")
        await server.ask("mine", "SELECT 1")
    assert server.others.said == []


@pytest.mark.parametrize("end", ["COMMIT", "rollback"])
async def test_a_session_that_ended_its_transaction_may_be_silent(server: Server, end: str) -> None:
    await server.ask("others", "MERGE INTO t")
    await server.ask("others", end)
    server.now = 100.0
    await server.ask("mine", "SELECT 1")
    assert server.others.said == []


async def test_one_that_only_reads_and_the_one_that_asks_are_left_alone(server: Server) -> None:
    await server.ask("others", "SELECT 1")
    await server.ask("mine", "MERGE INTO t")
    server.now = 100.0
    await server.ask("mine", "SELECT 1")
    assert (server.others.said, server.mine.said) == ([], [])


async def test_a_long_statement_is_no_silence(server: Server) -> None:
    """Its session has changed something and its next statement takes longer than the patience."""
    await server.ask("others", "MERGE INTO t")
    server.during_next = lambda: server.ask("mine", "SELECT 1")

    server.now = 100.0
    await server.ask("others", "MERGE INTO t")

    assert server.others.said == []


async def test_what_is_no_statement_changes_nothing(server: Server) -> None:
    for body in ("", "COMMITMENT", "insertion"):
        await server.ask("others", body)
    server.now = 100.0
    await server.ask("mine", "SELECT 1")
    assert server.others.said == []
