"""Datasets: what was pulled and prepared, to train on again."""

from fastapi import APIRouter
from penstock.runtime.auth import Viewer

from training_orchestrator.dependencies import StateDep
from training_orchestrator.views import DatasetView, dataset_view

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])


@router.get("/{dataset_id}")
async def get_dataset(dataset_id: str, state: StateDep, _caller: Viewer) -> DatasetView:
    """Read a dataset: its recipe, and its manifest once it is ready.

    A ready one can be trained on again: `"dataset": {"id": "ds_..."}` in a job.
    """
    return dataset_view(await state.bench.datasets.load(dataset_id))
