"""From a REST API that serves public data sets to files that an algorithm reads."""

import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from penstock import model_types
from penstock.adapters.memory import MemoryQueue
from penstock.adapters.memory_training import MemoryTaskTokens
from penstock.channels.prepare import CHANNEL, VERSION, PrepareMessage
from penstock.domain.jobs import Job
from penstock.domain.time import Micros
from penstock.model_type import ModelType
from penstock.plugins import discover
from penstock.runtime.clock import SystemClock
from penstock.source_settings import SourceStore
from penstock_local.plant.history import PlantHistory
from penstock_local.plant.layout import Plant
from penstock_local.plant.server import ServerSettings, create_app
from training_orchestrator.dataset_bodies import DatasetBody
from training_orchestrator.datasets_store import DatasetsStore, new_dataset
from training_orchestrator.jobs_store import body_of
from training_orchestrator.prepare import PrepareLimits, Preparer

from tests.integration.fetcher.bench import PAGED, Bench, Historian
from tests.integration.fetcher.plant import running
from tests.unit.training_orchestrator.factories import JOB_ID, make_job, make_request

AI4I_FEATURES = {
    "type": "Type",
    "air": "Air temperature [K]",
    "process": "Process temperature [K]",
    "speed": "Rotational speed [rpm]",
    "torque": "Torque [Nm]",
    "wear": "Tool wear [min]",
}


def paged(file: str) -> dict[str, Any]:
    paging = {**PAGED["paging"], "page_size": 5_000}
    return {"options": {**PAGED, "path": f"/csv/{file}", "paging": paging}, "timeout_s": 60}


def job_of(algorithm: str, **dataset: Any) -> Job:
    request = make_request(train={"algorithm": algorithm})
    base = {"source": "n3uron-site01", "slicing": {"window": "30d", "page_size": 5_000}}
    request["dataset"] = {**base, **dataset}
    return make_job(request=request)


@asynccontextmanager
async def serving_files(folder: Path, file: str) -> AsyncIterator[Bench]:
    app = create_app(PlantHistory(Plant(), lambda: 0), ServerSettings(csv_folder=folder))
    async with running(app) as port:
        bench = Bench(port, Historian(), **paged(file))
        yield bench
        bench.metrics.close()


async def prepare(bench: Bench, job: Job, work_dir: Path) -> tuple[Any, float]:
    """Pull and prepare; answer what the token was told, and the CPU seconds of the preparation's
    own process: the machine may be busy with other things.
    """
    datasets = DatasetsStore(bench.store, SystemClock())
    await bench.begin(job)
    await bench.pull()
    recipe = body_of(job).dataset
    assert isinstance(recipe, DatasetBody)
    await bench.store.write(new_dataset(job.dataset_id, JOB_ID, recipe, at=SystemClock().now()))
    tokens = MemoryTaskTokens()
    preparer = Preparer(
        jobs=bench.jobs,
        slices=bench.slices,
        datasets=datasets,
        sources=SourceStore(bench.store),
        objects=bench.objects,
        tokens=tokens,
        model_types=discover(model_types, attribute="MODEL_TYPE", kind=ModelType),
        metrics=bench.metrics,
        limits=PrepareLimits(work_dir=work_dir),
    )
    queue = MemoryQueue("prepare")
    message = PrepareMessage(
        version=VERSION, id="p", created_at=Micros(0), job_id=JOB_ID, run=1, task_token="t"
    )
    await queue.publish([CHANNEL.encode(message)])
    (delivery,) = await queue.receive(at_most=1, wait_seconds=0)
    before = _cpu_of_children()
    await preparer.handle(delivery)
    return tokens.answers["t"], _cpu_of_children() - before


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.data
async def test_ai4i_becomes_a_labelled_dataset(data_dir: Path, tmp_path: Path) -> None:
    features: list[dict[str, Any]] = [
        {"name": name, "tag": tag} for name, tag in AI4I_FEATURES.items()
    ]
    features[0]["categories"] = ["L", "M", "H"]
    job = job_of(
        "xgboost",
        range={"from": "2026-01-01T00:00:00Z", "to": "2026-01-08T00:00:00Z"},
        assets={"prefix": "/AI4I2020"},
        frame={"features": features},
        label={"tag": "Machine failure"},
    )
    async with serving_files(data_dir, "ai4i2020/ai4i2020.csv") as bench:
        answer, seconds = await prepare(bench, job, tmp_path)
        counts = answer["counts"]
        assert sum(counts.values()) == 10_000
        assert counts == {"train": 7_000, "validation": 1_000, "test": 2_000}
        key = f"datasets/{job.dataset_id}/train/part-0.csv"
        first = bench.objects.objects[key].decode().splitlines()[0]
        assert first == "0,1.0,298.1,308.6,1551.0,42.8,0.0"
        labels = [
            line.partition(",")[0]
            for part in counts
            for line in bench.objects.objects[key.replace("train", part)].decode().splitlines()
        ]
        assert labels.count("1") == 339
    assert 0 < seconds < 10


@pytest.mark.data
async def test_nab_becomes_windows_without_label(data_dir: Path, tmp_path: Path) -> None:
    job = job_of(
        "randomcutforest",
        range={"from": "2013-12-01T00:00:00Z", "to": "2014-03-01T00:00:00Z"},
        assets={"prefix": "/MACHINE_TEMPERATURE_SYSTEM_FAILURE"},
        frame={"mode": "window", "samples": 48, "features": [{"name": "temp", "tag": "value"}]},
        split={"train": 0.7, "validation": 0.1, "test": 0.2, "gap": "4h"},
    )
    file = "nab/machine_temperature_system_failure.csv"
    async with serving_files(data_dir, file) as bench:
        answer, seconds = await prepare(bench, job, tmp_path)
        assert sum(answer["counts"].values()) > 22_000
        lines = bench.objects.objects[f"datasets/{job.dataset_id}/train/part-0.csv"].splitlines()
        assert {line.count(b",") for line in lines} == {47}
        assert lines[0].startswith(b"73.967")
    assert 0 < seconds < 20
