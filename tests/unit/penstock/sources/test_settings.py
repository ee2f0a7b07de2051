from typing import Any

import pytest
from penstock.adapters.memory import MemoryKeyValueStore
from penstock.domain.errors import InvalidInput, NotFound
from penstock.ports import Write
from penstock.resources import SOURCES
from penstock.source_settings import SourceBody, SourceStore
from penstock.sources.paged_json import PagedJsonOptions
from pydantic import ValidationError


def make_source(**parts: Any) -> SourceBody:
    body = {
        "name": "historian",
        "plugin": "paged_json",
        "base_url": "https://historian.example.com/",
        "options": {"path": "/api/readings"},
        **parts,
    }
    return SourceBody.model_validate(body)


def test_an_answer_shows_every_default() -> None:
    source = make_source()
    assert source.base_url == "https://historian.example.com"
    assert source.options["paging"]["page_size"] == 500
    assert source.rate.concurrency == 2
    assert SourceBody.model_validate(source.model_dump(mode="json")) == source
    assert isinstance(source.plugin_options(), PagedJsonOptions)


@pytest.mark.parametrize(
    ("parts", "where", "why"),
    [
        ({"plugin": "opc_hda"}, "plugin", "n3uron, paged_json"),
        ({"options": {}}, "options.path", "required"),
        ({"options": {"path": "/x", "paging": {"type": "pages"}}}, "options.paging.type", "cursor"),
        ({"base_url": "http://127.1/"}, "base_url", "four decimal numbers"),
        ({"base_url": "https://a:b@historian.example.com"}, "base_url", "auth"),
        ({"base_url": "https://historian.example.com/?x=1"}, "base_url", "query"),
        ({"base_url": "file:///etc/passwd"}, "base_url", "http or https"),
        ({"ca": "no certificate"}, "ca", "PEM"),
        ({"allowed_cidrs": ["10.0.0.1/8"]}, "allowed_cidrs", "network"),
        ({"rate": {"rps": 0}}, "rate.rps", "greater than 0"),
        ({"auth": {"type": "bearer"}}, "auth", "below penstock/sources/"),
        ({"auth": {"type": "bearer", "secret": "penstock/aurora"}}, "auth", "below"),
        ({"auth": {"type": "basic", "secret": "penstock/sources/../aurora"}}, "auth", "below"),
        ({"auth": {"type": "basic", "secret": "penstock/sources/a/../../b"}}, "auth", "below"),
        ({"auth": {"type": "header", "secret": "arn:aws:secretsmanager:x"}}, "auth", "below"),
        ({"auth": {"type": "header", "secret": "penstock/sources/x\n"}}, "auth", "below"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_where_it_stands(
    parts: dict[str, Any], where: str, why: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        make_source(**parts)
    faults = {".".join(map(str, e["loc"])): e["msg"] for e in caught.value.errors()}
    assert any(path.startswith(where) and why in message for path, message in faults.items())


def test_credentials_lie_below_their_own_prefix() -> None:
    source = make_source(auth={"type": "bearer", "secret": "penstock/sources/site01/historian"})
    assert source.auth.secret == "penstock/sources/site01/historian"


async def test_the_store_gives_back_what_was_put() -> None:
    store = SourceStore(MemoryKeyValueStore())
    source = make_source(allowed_cidrs=["10.20.0.0/16"])
    await store.put(source)
    assert await store.get("historian") == source
    assert [found async for found in store.all()] == [source]
    await store.delete("historian")
    with pytest.raises(NotFound, match="PUT /v1/sources/historian"):
        await store.get("historian")


async def test_a_source_of_a_plugin_that_went_away_says_so() -> None:
    tables = MemoryKeyValueStore()
    key = {"name": "old"}
    await tables.write(Write(SOURCES.name, key, put={**key, "body": '{"name": "old"}'}))
    with pytest.raises(InvalidInput, match="source old is not readable"):
        await SourceStore(tables).get("old")
