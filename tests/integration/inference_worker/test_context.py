"""The context as it stands in Aurora."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from penstock.adapters.aurora import open_pool
from penstock.adapters.context import AuroraContext
from penstock.domain.assets import Asset, Tag
from penstock.domain.errors import StoreUnavailable
from penstock.domain.ids import AssetName, GatewayId, TagPath

from tests.integration.inference_worker.plant import binding_body, write_context


@pytest.fixture
async def context(aurora_dsn: str) -> AsyncIterator[AuroraContext]:
    async with open_pool(aurora_dsn) as pool:
        yield AuroraContext(pool)


async def test_an_empty_data_base_is_an_empty_context(context: AuroraContext) -> None:
    read = await context.read()
    assert (read.assets, read.tags, read.bindings) == ((), (), ())
    assert read.version == await context.version()


async def test_assets_tags_and_bindings_are_read_and_every_change_raises_the_version(
    context: AuroraContext, aurora_dsn: str
) -> None:
    before = await context.version()
    write_context(aurora_dsn, assets=["P-101"])
    after_assets = await context.version()
    with psycopg.connect(aurora_dsn) as connection:
        connection.execute(
            "INSERT INTO tags (gateway_id, path, asset, name) VALUES"
            " ('gw-7', '/X/1', 'P-101', 'a'), (NULL, '/X/2', 'P-101', 'b')"
        )
    write_context(aurora_dsn, bindings={"pump-failure": binding_body("pump-failure")})
    read = await context.read()
    assert before < after_assets < read.version
    prefix = TagPath("/SITE01/P-101")
    assert read.assets == (Asset(AssetName("P-101"), "SITE01", "pump", (prefix,)),)
    assert set(read.tags) == {
        Tag(TagPath("/X/1"), AssetName("P-101"), "a", GatewayId("gw-7")),
        Tag(TagPath("/X/2"), AssetName("P-101"), "b", None),
    }
    (binding,) = read.bindings
    assert (binding.name, binding.model, binding.frame) == ("pump-failure", "pump-failure", None)


async def test_a_binding_of_a_newer_console_does_not_hide_the_others(
    context: AuroraContext, aurora_dsn: str
) -> None:
    newer = binding_body("m", name="newer", horizon="24h")
    write_context(aurora_dsn, bindings={"newer": newer, "older": binding_body("m", name="older")})
    assert [binding.name for binding in (await context.read()).bindings] == ["older"]


async def test_an_aurora_that_does_not_answer_is_unavailable() -> None:
    async with open_pool("postgresql://nobody@127.0.0.1:9/nowhere") as pool:
        with pytest.raises(StoreUnavailable):
            await AuroraContext(pool).version()
