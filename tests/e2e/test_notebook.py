"""The notebook that people start with runs from top to bottom."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from penstock_local.demo.history import serving_history
from penstock_local.demo.steps import Stage
from penstock_local.environment import ADMIN_TOKEN

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "train-a-model.ipynb"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_notebook_trains_a_model(stage: Stage) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]  # upstream
    plant = ["--machines", "8", "--scan", "600", "--heartbeat", "1800"]
    with serving_history(plant, stage.folder / "history.log") as url:
        environment = {
            **os.environ,
            "PENSTOCK_URL": stage.url,
            "PENSTOCK_TOKEN": ADMIN_TOKEN,
            "PENSTOCK_HISTORY_URL": url,
            "MPLBACKEND": "agg",
        }
        client = NotebookClient(notebook, timeout=240, kernel_name="python3")
        client.execute(env=environment)
    printed = [
        output.get("text", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]
    assert any("COMPLETED" in text for text in printed)
    assert stage.penstock.bindings.get("notebook-pump-failure")["state"] == "active"
