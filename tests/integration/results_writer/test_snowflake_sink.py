"""What the contract does not ask of Snowflake: loads, views, lost sessions, writers in turn."""

import asyncio
import functools
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import snowflake.connector
from penstock.adapters.memory import FakeClock, MemoryKeyValueStore
from penstock.domain.errors import StoreUnavailable
from penstock.domain.ids import RunId
from penstock.domain.time import MINUTE, SECOND
from penstock_local.addresses import snowflake_connection
from penstock_local.ports import free_port
from results_writer.lease import Lease
from results_writer.sinks.snowflake import SnowflakeSink
from results_writer.snowflake_session import SnowflakeSession

from tests.factories import NOON, make_prediction
from tests.fixtures.stack import ask, serving, wait_for_server
from tests.integration.results_writer.places import snowflake_settings


def make_sink(
    connection: dict[str, str | int], *, tables: MemoryKeyValueStore | None = None, who: str = "me"
) -> SnowflakeSink:
    clock = FakeClock(NOON + MINUTE)
    lease = Lease(tables or MemoryKeyValueStore(), clock, name="merge", holder=who)
    return SnowflakeSink(snowflake_settings(connection), clock, lease)


def rows(connection: dict[str, str | int], query: str) -> list[tuple[Any, ...]]:
    with snowflake.connector.connect(**connection, network_timeout=60) as session:
        cursor: Any = session.cursor().execute(query)
        return list(cursor.fetchall())


async def test_loads_tell_what_each_batch_brought(
    snowflake_schema: dict[str, str | int],
) -> None:
    sink = make_sink(snowflake_schema)
    first = make_prediction(pack_id="p1", predicted_at=NOON + SECOND)
    second = make_prediction(asset="P-102", pack_id="p1", predicted_at=NOON + 5 * SECOND)
    corrected = make_prediction(revision=2, pack_id="p2", predicted_at=NOON + 9 * SECOND)
    await sink.write([first, second])
    await sink.write([first, second])
    await sink.write([corrected, second])
    await sink.close()
    loads = rows(
        snowflake_schema,
        "SELECT ROWS_IN, ROWS_NEW, ROWS_CORRECTED, COMPLETE_TO FROM LOADS ORDER BY COMPLETE_TO",
    )
    assert [load[:3] for load in loads] == [(2, 2, 0), (2, 0, 1)], "a repeat adds no load"
    assert [load[3].second for load in loads] == [1, 5]
    told = rows(
        snowflake_schema,
        "SELECT COUNT(*) FROM PREDICTIONS JOIN LOADS USING (BATCH_ID)",
    )
    assert told == [(2,)]


async def test_views_need_no_join(snowflake_schema: dict[str, str | int]) -> None:
    sink = make_sink(snowflake_schema)
    await sink.write(
        [
            make_prediction(),
            make_prediction(event_time=NOON + MINUTE, probability=0.9),
            make_prediction(asset="P-102"),
            make_prediction(asset="P-102", event_time=NOON + MINUTE, run=RunId("replay:1")),
        ]
    )
    await sink.close()
    assert rows(snowflake_schema, "SELECT COUNT(*) FROM V_LIVE") == [(3,)]
    latest = rows(
        snowflake_schema,
        "SELECT SITE, ASSET, MODEL, KIND, QUALITY, PROBABILITY, DECISION FROM V_LATEST_BY_ASSET"
        " ORDER BY ASSET",
    )
    assert latest == [
        ("SITE01", "P-101", "pump-failure", "classification", "good", 0.9, True),
        ("SITE01", "P-102", "pump-failure", "classification", "good", 0.12, False),
    ]
    ((complete_to, _, behind),) = rows(snowflake_schema, "SELECT * FROM V_FRESHNESS")
    assert (complete_to.minute, complete_to.microsecond) == (0, 90_000)
    assert isinstance(behind, int)
    assert rows(snowflake_schema, "SELECT * FROM FORECAST_POINTS") == []
    assert rows(snowflake_schema, "SELECT * FROM OUTCOMES") == []


async def test_writers_take_turns_under_the_lease(
    snowflake_schema: dict[str, str | int],
) -> None:
    tables = MemoryKeyValueStore()
    sinks = [make_sink(snowflake_schema, tables=tables, who=f"w{n}") for n in range(2)]

    async def write_all(sink: SnowflakeSink) -> None:
        for revision in range(3):
            await sink.write(
                [
                    make_prediction(asset=f"A-{n}", revision=revision, pack_id=f"p{revision}")
                    for n in range(20)
                ]
            )

    await sinks[0].ping()
    await asyncio.gather(*(write_all(sink) for sink in sinks))
    for sink in sinks:
        await sink.close()
    kept = rows(snowflake_schema, "SELECT COUNT(*), MIN(REVISION) FROM PREDICTIONS")
    assert kept == [(20, 2)]


async def test_a_session_that_was_lost_is_opened_again(tmp_path: Path) -> None:
    folder, port = tmp_path / "snowflake", free_port()
    sink = make_sink(snowflake_connection(port))
    for number in range(2):
        with serving("penstock_local.warehouse", folder, "--port", str(port)) as (_, process):
            wait_for_server(process, folder, functools.partial(ask, port, "/"))
            if number:
                with pytest.raises(StoreUnavailable):
                    await sink.write([make_prediction(revision=number)])
            await sink.write([make_prediction(revision=number)])
            (found,) = await sink.read([make_prediction().identity])
            assert found.revision == number
            if number:
                await sink.close()


async def test_a_server_that_never_answers_is_given_up_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        connection: dict[str, str | int] = {
            "account": "a", "user": "u", "password": "p", "host": "127.0.0.1",
            "port": silent.getsockname()[1], "protocol": "http",
        }  # fmt: skip
        settings = snowflake_settings(connection, connect_seconds=1, network_seconds=4)
        session = SnowflakeSession(settings, prepare=lambda _: None)
        started = time.monotonic()
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="no answer within 1 s"):
                await session.run(lambda _: None)
        assert time.monotonic() - started < 20
        await session.close()
