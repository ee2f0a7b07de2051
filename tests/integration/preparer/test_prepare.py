import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from penstock.domain.datasets import SliceState
from penstock.domain.errors import StoreUnavailable, Unavailable
from penstock.ports import Write
from penstock.resources import JOBS
from training_orchestrator.jobs_items import job_key

from tests.fixtures.waiting import answered
from tests.integration.preparer.bench import DATASET_ID, JOB_ID, Bench, prepared
from tests.unit.training_orchestrator.prepare_folders import make_recipe, ordinary, page_of

TOLD = ordinary()
PAGES = [[page_of(TOLD[:500]), page_of(TOLD[490:800])], [page_of(TOLD[800:])]]


@asynccontextmanager
async def ready(work_dir: Path, **parts: Any) -> AsyncIterator[Bench]:
    async with prepared(make_recipe(), PAGES, work_dir, **parts) as bench:
        yield bench


async def test_a_dataset_is_made_published_and_told(tmp_path: Path) -> None:
    async with ready(tmp_path) as bench:
        answer = await bench.prepare()
        counts = {"train": 420, "validation": 60, "test": 120}
        assert answer == {"dataset_id": DATASET_ID, "counts": counts}
        assert sorted(key for key in bench.objects.objects if key.startswith("datasets/")) == [
            f"datasets/{DATASET_ID}/{name}"
            for name in (
                "manifest.json", "report.json", "rows.parquet", "test/part-0.csv",
                "train/part-0.csv", "validation/part-0.csv",
            )
        ]  # fmt: skip
        assert await bench.is_ready()
        assert bench.tokens.heartbeats


async def test_a_repeat_adopts_what_is_there(tmp_path: Path) -> None:
    async with ready(tmp_path) as bench:
        first = await bench.prepare()
        for key in [key for key in bench.objects.objects if key.startswith("raw/")]:
            await bench.objects.delete(key)
        assert await bench.prepare(token="token-2") == first


async def test_split_and_failed_slices_are_not_read(tmp_path: Path) -> None:
    async with prepared(make_recipe(), [*PAGES, [b"garbage"]], tmp_path) as bench:
        await bench.set_slice("000002", SliceState.SPLIT)
        assert (await bench.prepare())["counts"]["train"] == 420


async def test_a_raw_object_that_is_gone_or_damaged_is_told_by_name(tmp_path: Path) -> None:
    async with ready(tmp_path) as bench:
        key = next(k for k in bench.objects.objects if "/000001/" in k and "meta" not in k)
        body = bench.objects.objects[key]
        for broken in (None, b"other bytes"):
            await bench.objects.delete(key)
            if broken is not None:
                await bench.objects.put(key, broken)
            answer = await bench.prepare(token=f"token {broken!r}")
            assert answer["error"] == "RawMissing"
            assert key in answer["cause"]
        await bench.objects.put(key, body)
        assert "counts" in await bench.prepare()


async def test_a_slice_whose_manifest_is_gone_is_told_by_name(tmp_path: Path) -> None:
    async with ready(tmp_path) as bench:
        key = next(k for k in bench.objects.objects if k.endswith("/000001/manifest.json"))
        await bench.objects.delete(key)
        answer = await bench.prepare()
        assert answer["error"] == "RawMissing"
        assert key in answer["cause"]


async def test_what_the_process_refuses_comes_back_by_name(tmp_path: Path) -> None:
    only_temp = [[page_of(t for t in TOLD if t[0].endswith("TEMP"))]]
    async with prepared(make_recipe(), only_temp, tmp_path) as bench:
        answer = await bench.prepare()
        assert answer["error"] == "WrongLabel"
        assert "/S/P-101/TEMP (600 readings)" in answer["cause"]
        assert not await bench.is_ready()


async def test_a_killed_process_is_tried_again(tmp_path: Path) -> None:
    async with ready(tmp_path) as bench:
        killing = asyncio.create_task(kill_child())
        with pytest.raises(Unavailable, match="signal 9"):
            await bench.prepare()
        await killing
        assert bench.tokens.answers == {}
        assert "counts" in await bench.prepare(receives=2)


async def test_a_process_that_was_killed_time_and_again_fails_the_job(tmp_path: Path) -> None:
    async with ready(tmp_path) as bench:
        killing = asyncio.create_task(kill_child())
        answer = await bench.prepare(receives=3)
        await killing
        assert answer["error"] == "PreparationDied"
        assert "signal 9" in answer["cause"]


async def test_a_dataset_larger_than_its_memory_says_so(tmp_path: Path) -> None:
    async with ready(tmp_path) as bench:
        answer = await bench.prepare(memory_mb=1)
        assert answer["error"] == "PreparationDied"
        assert "1 MB" in answer["cause"]


async def test_a_stop_ends_the_process(tmp_path: Path) -> None:
    async with ready(tmp_path) as bench:
        preparing = asyncio.create_task(bench.prepare())
        child = await child_process()
        await bench.store.write(Write(JOBS.name, job_key(JOB_ID), set={"stop_requested": True}))
        assert (await preparing)["error"] == "Stopped"
        assert not child.is_running()


async def test_a_lost_token_ends_the_process_without_an_answer(tmp_path: Path) -> None:
    async with ready(tmp_path) as bench:
        preparing = asyncio.create_task(bench.prepare())
        child = await child_process()
        bench.tokens.timed_out.add("token-1")
        assert await preparing is None
        assert not child.is_running()


async def test_giving_up_takes_the_process_along(tmp_path: Path) -> None:
    async with ready(tmp_path) as bench:
        preparing = asyncio.create_task(bench.prepare())
        child = await child_process()
        preparing.cancel()
        await asyncio.wait({preparing})
        assert preparing.cancelled()
        assert not child.is_running()


async def test_an_unavailable_store_gives_the_message_back(tmp_path: Path) -> None:
    async with ready(tmp_path) as bench:

        def down(write: Write) -> None:
            raise StoreUnavailable("tables are down")

        bench.store.on_write = down
        try:
            await bench.prepare()
        except StoreUnavailable:
            assert bench.tokens.answers == {}
        else:
            raise AssertionError("answered all the same")
        bench.store.on_write = None
        assert "counts" in await bench.prepare()


async def child_process() -> psutil.Process:
    """The process that makes the dataset."""

    async def look() -> psutil.Process | None:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):  # another that has just ended
                if "training_orchestrator.prepare_main" in " ".join(child.cmdline()):
                    return child
        return None

    return await answered(look, "a dataset is being made", every_seconds=0.005)


async def kill_child() -> None:
    child = await child_process()
    child.kill()
