"""Pulls from the plant simulator, which was written apart from the sources, against its truth."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, get_args

import pytest
from penstock.domain.datasets import SliceState
from penstock.domain.jobs import Job, JobStatus
from penstock.domain.time import Micros, parse_iso, to_iso
from penstock_local.faults.rules import Fault
from penstock_local.plant.history import PlantHistory
from penstock_local.plant.layout import Plant
from penstock_local.plant.n3uron_shapes import Shape
from penstock_local.plant.server import ServerSettings, create_app

from tests.integration.fetcher.bench import PAGED, Bench, Historian
from tests.integration.fetcher.plant import running
from tests.unit.training_orchestrator.factories import make_job, make_request

SINCE, UNTIL = parse_iso("2026-11-01T00:00:00Z"), parse_iso("2026-11-01T02:00:00Z")
HISTORY = PlantHistory(Plant(machines=2, scan_ms=5_000), lambda: UNTIL // 1_000 + 1)
PREFIX = "/SITE01/LINE01"
TAGS = ("TEMP", "VIBRATION", "FAILURE")
SECRET = "penstock/sources/plant"

PAGED_PLANT: dict[str, Any] = {**PAGED, "time_format": "epoch_ms"}
CURSORS: dict[str, Any] = {
    **PAGED,
    "params": {
        "from": "{start}",
        "to": "{end}",
        "tags": "{tags}",
        "page_size": "{page_size}",
        "cursor": "{cursor}",
    },
    "paging": {"type": "cursor", "page_size": 100, "cursor_path": "next_cursor"},
}


def plant_job(**slicing: Any) -> Job:
    assets = [asset.name for asset in HISTORY.plant.assets()]
    dataset = {
        **make_request()["dataset"],
        "range": {"from": to_iso(SINCE), "to": to_iso(UNTIL)},
        "assets": {"names": assets, "tag_pattern": PREFIX + "/{asset}/{tag}"},
        "slicing": {"window": "30m", "tags_per_request": 6, **slicing},
        "frame": {"features": [{"name": t.lower(), "tag": t} for t in TAGS[:2]]},
    }
    return make_job(request=make_request(dataset=dataset), concurrency=4)


def truth() -> dict[tuple[str, int], tuple[Any, bool]]:
    """Value of every sample, and whether it is good."""
    tags = [f"{asset.prefix}/{tag}" for asset in HISTORY.plant.assets() for tag in TAGS]
    found = HISTORY.read(tags, SINCE // 1_000, UNTIL // 1_000)
    return {
        (part.tag, int(at) * 1_000): (value, quality == 192)
        for part in found
        for at, value, quality in zip(
            part.times, part.values.tolist(), part.quality.tolist(), strict=True
        )
    }


@asynccontextmanager
async def plant(
    source: dict[str, Any], *, faults: Sequence[Fault] = (), **settings: Any
) -> AsyncIterator[Bench]:
    served = ServerSettings(faults=faults, **settings)
    async with running(create_app(HISTORY, served)) as port:
        bench = Bench(port, Historian(), secrets={SECRET: "plant-token"}, **source)
        yield bench
        bench.metrics.close()


async def assert_true(bench: Bench) -> None:
    found: dict[tuple[str, int], tuple[Any, bool]] = {
        (r.tag, r.at): (r.value, r.quality == 0) for r in await bench.records()
    }
    inside = {key: value for key, value in found.items() if SINCE <= key[1] < UNTIL}
    expected = truth()
    assert len(expected) > 500
    assert inside.keys() == expected.keys()
    for key, (value, is_good) in expected.items():
        assert inside[key][1] == is_good
        assert inside[key][0] == pytest.approx(value) or not is_good


@pytest.mark.parametrize("shape", get_args(Shape))
@pytest.mark.parametrize("tags_per_request", [1, 4])
async def test_n3uron_history_comes_whole_in_every_shape(
    shape: Shape, tags_per_request: int
) -> None:
    source = {"plugin": "n3uron", "options": {"tags_per_request": tags_per_request}}
    async with plant(source, shape=shape) as bench:
        await bench.begin(plant_job())
        await bench.pull()
        await assert_true(bench)


async def test_a_node_is_asked_by_post_with_its_token() -> None:
    options = {"method": "POST", "time_format": "epoch_ms", "tags_per_request": 3}
    auth = {"type": "bearer", "secret": SECRET}
    source = {"plugin": "n3uron", "options": options, "auth": auth}
    async with plant(source, token="plant-token") as bench:
        await bench.begin(plant_job())
        await bench.pull()
        await assert_true(bench)


async def test_a_wrong_token_fails_with_a_sentence() -> None:
    source = {"plugin": "n3uron", "options": {}, "auth": {"type": "bearer", "secret": SECRET}}
    async with plant(source, token="another") as bench:
        await bench.begin(plant_job())
        job = await bench.pull()
        assert job.status is JobStatus.FAILED
        assert "put a valid credential into the source's secret" in str(job.reason)


async def test_a_silent_cap_of_the_node_is_noticed_and_got_around() -> None:
    source = {"plugin": "n3uron", "options": {"suspicious_rows": 40}}
    async with plant(source, row_cap=40) as bench:
        await bench.begin(plant_job(window="1h"))
        await bench.pull(min_window=Micros(2_000_000))
        await assert_true(bench)
        assert any(s.state is SliceState.SPLIT for s in await bench.all_slices())


@pytest.mark.parametrize("options", [PAGED_PLANT, CURSORS], ids=["pages", "cursors"])
async def test_pages_and_cursors_come_whole(options: dict[str, Any]) -> None:
    async with plant({"options": options}) as bench:
        await bench.begin(plant_job())
        await bench.pull()
        await assert_true(bench)


@pytest.mark.parametrize("options", [PAGED_PLANT, CURSORS], ids=["pages", "cursors"])
async def test_a_source_that_fails_in_every_way_loses_nothing(options: dict[str, Any]) -> None:
    faults = [
        Fault(kind="throttle", probability=0.05, retry_after=1),
        Fault(kind="error", probability=0.1),
        Fault(kind="truncate", probability=0.1),
        Fault(kind="cut", probability=0.1),
    ]
    small = {**options, "paging": {**options["paging"], "page_size": 60}}
    async with plant({"options": small}, faults=faults, seed=11) as bench:
        await bench.begin(plant_job())
        await bench.pull(attempts=15)
        await assert_true(bench)


async def test_a_total_that_is_wrong_is_never_believed() -> None:
    source = {"options": PAGED_PLANT}
    async with plant(source, faults=[Fault(kind="wrong_total", probability=1.0)]) as bench:
        await bench.begin(plant_job())
        job = await bench.pull(hang_halvings=0)
        assert job.status is JobStatus.FAILED
        assert "records came of the" in str(job.reason)
