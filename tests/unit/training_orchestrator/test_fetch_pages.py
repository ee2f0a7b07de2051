import pytest
from penstock.adapters.memory import MemoryObjectStore
from penstock.domain.errors import UnknownObject
from penstock.domain.time import Micros
from penstock.source import SourceAnswer, SourceRequest
from training_orchestrator.fetch_pages import PageMeta, RawSlice

REQUEST = SourceRequest("/h", (("page", "1"),), tags=("/S/A", "/S/B"), page=1)


def make_answer(body: bytes = b'{"records": []}', rows: int = 3) -> SourceAnswer:
    return SourceAnswer(REQUEST, body, rows, {"link": "<x>"})


def make_meta(answer: SourceAnswer) -> PageMeta:
    return PageMeta(
        key="", url="http://h/h?page=1", status=200, headers=dict(answer.headers),
        fetched_at=Micros(1), rows=answer.rows, bytes=len(answer.body), digest="",
        request=answer.request,
    )  # fmt: skip


async def add(raw: RawSlice, position: int, body: bytes, rows: int = 3) -> PageMeta:
    answer = make_answer(body, rows)
    return await raw.add(position, answer, make_meta(answer))


async def test_bytes_come_back_as_they_were_received() -> None:
    raw = RawSlice(MemoryObjectStore(), "raw/j/run=1/", "000000")
    for position, body in enumerate((b"", b"{}", b"x" * 100_000, b"\x28\xb5\x2f\xfd not zstd")):
        meta = await add(raw, position, body)
        assert await raw.read(meta) == body
    assert [meta.rows for meta in await raw.stored()] == [3, 3, 3, 3]


async def test_the_walk_goes_on_from_the_stored_pages() -> None:
    raw = RawSlice(MemoryObjectStore(), "raw/j/run=1/", "000000")
    await add(raw, 0, b"first", rows=5)
    await add(raw, 1, b"second", rows=2)
    walk = await raw.walk_over(await raw.stored())
    assert (walk.answers, walk.rows, walk.first_rows) == (2, 7, 5)
    assert walk.last == make_answer(b"second", 2)


async def test_a_page_without_its_meta_and_one_after_a_gap_do_not_count() -> None:
    objects = MemoryObjectStore()
    raw = RawSlice(objects, "raw/j/run=1/", "000000")
    for position in range(4):
        await add(raw, position, b"page %d" % position)
    await objects.delete("raw/j/run=1/000000/00002.meta.json")
    assert len(await raw.stored()) == 2


async def test_pages_of_a_child_are_not_those_of_its_parent() -> None:
    objects = MemoryObjectStore()
    await add(RawSlice(objects, "raw/j/run=1/", "000000.1"), 0, b"child")
    assert await RawSlice(objects, "raw/j/run=1/", "000000").stored() == []


async def test_a_manifest_outlives_another_fetcher_that_begins_again() -> None:
    objects = MemoryObjectStore()
    raw, zombie = (RawSlice(objects, "raw/j/run=1/", "000000") for _ in range(2))
    metas = [await add(raw, 0, b"first"), await add(raw, 1, b"second")]
    await raw.finish(metas)
    await zombie.forget()
    await add(zombie, 0, b"first, written differently")
    manifest = await raw.manifest()
    assert (manifest.rows, manifest.bytes) == (6, 11)
    assert [await raw.read(meta) for meta in manifest.pages] == [b"first", b"second"]


async def test_a_page_that_is_gone_or_was_changed_is_told_by_name() -> None:
    objects = MemoryObjectStore()
    raw = RawSlice(objects, "raw/j/run=1/", "000000")
    small, large = await add(raw, 0, b"small"), await add(raw, 1, b"large" * 1_000)
    await objects.put(small.key, b"other")
    await objects.put(large.key, b"no zstd")
    for meta in (small, large):
        with pytest.raises(UnknownObject, match=meta.key):
            await raw.read(meta)
    await objects.delete(small.key)
    with pytest.raises(UnknownObject, match=small.key):
        await raw.read(small)
    with pytest.raises(UnknownObject, match=r"manifest\.json"):
        await raw.manifest()
