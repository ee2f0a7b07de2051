"""Prepared datasets: the recipe when a job is accepted, the manifest when the dataset is ready."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from penstock.domain.datasets import Part
from penstock.domain.errors import NotFound
from penstock.domain.ids import DatasetId
from penstock.domain.time import Micros, parse_iso, to_iso
from penstock.ports import Clock, Item, KeyValueStore, Write
from penstock.resources import DATASETS

from training_orchestrator.dataset_bodies import DatasetBody

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset; `manifest` tells what is in it once it is ready."""

    dataset_id: DatasetId
    job_id: str
    recipe: DatasetBody
    created_at: Micros
    manifest: Mapping[str, object] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether its files are all there."""
        return self.manifest is not None

    @property
    def trained_to(self) -> Micros | None:
        """End of what a model trained on it has seen."""
        until = (self.manifest or {}).get("trained_to")
        if isinstance(until, str):
            return parse_iso(until)
        return Micros(until) if isinstance(until, int) else None

    def rows_of(self, part: Part) -> int | None:
        """How many rows a part has; None where the manifest does not tell."""
        counts = (self.manifest or {}).get("counts")
        count = counts.get(part.value) if isinstance(counts, Mapping) else None
        return count if isinstance(count, int) else None


def dataset_prefix(dataset_id: str) -> str:
    """Folder of the bucket `training` that holds a dataset."""
    return f"datasets/{dataset_id}/"


def new_dataset(dataset_id: DatasetId, job_id: str, recipe: DatasetBody, at: Micros) -> Write:
    """Add a dataset that is yet to be prepared."""
    key = {"dataset_id": dataset_id}
    body = recipe.model_dump_json()
    put = {**key, "job_id": job_id, "recipe": body, "created_at": to_iso(at)}
    return Write(DATASETS.name, key, put=put, absent=True)


class DatasetsStore:
    """The table `datasets`."""

    def __init__(self, store: KeyValueStore, clock: Clock) -> None:
        """Keep the table's store and the clock."""
        self._store = store
        self._clock = clock

    async def load(self, dataset_id: str) -> Dataset:
        """Read a dataset; raise NotFound."""
        item = await self._store.get(DATASETS.name, {"dataset_id": dataset_id})
        if item is None:
            raise NotFound(f"no dataset {dataset_id}")
        return _dataset(item)

    async def finish(self, dataset_id: str, manifest: Mapping[str, object]) -> None:
        """Say that a dataset's files are all there; its manifest was written last."""
        await self._store.write(
            Write(
                DATASETS.name,
                {"dataset_id": dataset_id},
                set={"manifest": json.dumps(manifest), "ready_at": to_iso(self._clock.now())},
                present=True,
            )
        )


def _dataset(item: Item) -> Dataset:
    manifest = item.get("manifest")
    return Dataset(
        dataset_id=DatasetId(str(item["dataset_id"])),
        job_id=str(item["job_id"]),
        recipe=DatasetBody.model_validate_json(str(item["recipe"])),
        created_at=parse_iso(str(item["created_at"])),
        manifest=json.loads(str(manifest)) if manifest is not None else None,
    )
