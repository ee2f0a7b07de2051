from penstock.adapters.memory import MemoryKeyValueStore
from penstock.domain.time import Micros
from penstock.ports import Write
from penstock.registry import ModelRegistry, ModelVersion
from penstock.resources import MODELS

VERSION = ModelVersion(
    model="pump-failure", version="v1", algorithm="xgboost", endpoint="penstock-pump-failure",
    frame='{"mode": "row", "features": [{"name": "temp", "tag": "TEMP"}]}', job_id="j1", run=1,
    dataset_id="ds1", artefact="s3://x/model.tar.gz", metrics="{}", trained_to=Micros(1),
    created_at=Micros(2),
)  # fmt: skip


async def test_a_version_comes_back_as_it_was_registered() -> None:
    registry = ModelRegistry(MemoryKeyValueStore())
    await registry.register(VERSION)
    await registry.promote("pump-failure", "v1", at=Micros(3))
    assert await registry.get("pump-failure", "champion") == VERSION


async def test_what_a_newer_writer_adds_to_a_version_is_ignored() -> None:
    """A worker of the last release goes on while the orchestrator is upgraded."""
    store = MemoryKeyValueStore()
    registry = ModelRegistry(store)
    await registry.register(VERSION)
    key = {"model": "pump-failure", "version": "v1"}
    await store.write(Write(MODELS.name, key, set={"added": "by a newer build"}))
    assert await registry.all() == ([VERSION], {})
