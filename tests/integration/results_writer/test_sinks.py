"""The contract over the real places; tests/contract has it over memory."""

import pytest
from penstock.testing.sinks import SINK_CHECKS, SinkUnderTest, says_that_it_is_down
from penstock_local.ports import free_port
from results_writer.discovery import discover_sinks
from results_writer.sink import SinkResources
from results_writer.snowflake_session import SnowflakeSettings

from tests.integration.results_writer.places import (
    open_resources,
    open_sink,
    snowflake_settings,
)


def test_every_sink_is_held_to_the_contract_here() -> None:
    assert {f"test_{name}_keeps_the_contract" for name in discover_sinks()} <= set(globals())


async def _keeps_the_contract(
    name: str, place: SinkResources, snowflake: SnowflakeSettings | None = None
) -> None:
    plugin = discover_sinks()[name]
    async with open_sink(name, place, snowflake) as sink:
        await sink.ping()
        for check in SINK_CHECKS:
            await check(SinkUnderTest(sink, plugin.newest_only, plugin.appends))


async def test_aurora_keeps_the_contract(aurora_dsn: str) -> None:
    async with open_resources(aurora_dsn=aurora_dsn) as place:
        await _keeps_the_contract("aurora", place)


async def test_snowflake_keeps_the_contract(
    snowflake_schema: dict[str, str | int], name_prefix: str
) -> None:
    async with open_resources(prefix=name_prefix) as place:
        await _keeps_the_contract("snowflake", place, snowflake_settings(snowflake_schema))


async def test_lake_keeps_the_contract(name_prefix: str) -> None:
    async with open_resources(prefix=name_prefix) as place:
        await _keeps_the_contract("lake", place)


async def test_latest_keeps_the_contract(name_prefix: str) -> None:
    async with open_resources(prefix=name_prefix) as place:
        await _keeps_the_contract("latest", place)


@pytest.mark.parametrize("name", sorted(discover_sinks()))
async def test_a_sink_whose_place_is_gone_says_so(
    name: str, monkeypatch: pytest.MonkeyPatch, name_prefix: str
) -> None:
    nobody = free_port()
    if name != "snowflake":  # whose lease is to be had
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody}")
    dsn = f"postgresql://nobody@127.0.0.1:{nobody}/none"
    connection: dict[str, str | int] = {
        "account": "none", "user": "nobody", "password": "none", "host": "127.0.0.1",
        "port": nobody, "protocol": "http",
    }  # fmt: skip
    settings = snowflake_settings(connection, connect_seconds=3, network_seconds=4)
    async with (
        open_resources(prefix=name_prefix, aurora_dsn=dsn) as place,
        open_sink(name, place, settings) as sink,
    ):
        await says_that_it_is_down(sink)
