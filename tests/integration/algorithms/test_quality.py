"""How good and how fast the algorithms are on public data."""

import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from penstock_algorithms.invocations import answer_invocation
from penstock_algorithms.randomcutforest.forest import grow_forest
from penstock_algorithms.registry import load_algorithm
from sklearn.metrics import roc_auc_score

from tests.unit.penstock_algorithms.folders import lay_out, train

SHINGLE = 48


def read_nab(folder: Path, name: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the values and whether each lies in a window that is labelled anomalous."""
    with (folder / "nab" / name).open() as file:
        rows = list(csv.DictReader(file))
    times = np.array([np.datetime64(row["timestamp"]) for row in rows])
    windows = json.loads((folder / "nab" / "windows.json").read_text())[name]
    labels = np.zeros(len(times), bool)
    for start, end in windows:
        labels |= (times >= np.datetime64(start)) & (times <= np.datetime64(end))
    return np.array([float(row["value"]) for row in rows]), labels


@pytest.mark.data
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_forest_finds_the_machine_s_failures(data_dir: Path, seed: int) -> None:
    values, labels = read_nab(data_dir, "machine_temperature_system_failure.csv")
    windows = np.lib.stride_tricks.sliding_window_view(values, SHINGLE)
    # A score belongs to the last time of its window.
    labels = labels[SHINGLE - 1 :]
    fitted = int(len(values) * 0.15) - (SHINGLE - 1)
    forest = grow_forest(windows[:fitted], tree_count=50, points_per_tree=256, seed=seed)
    scores = forest.scores(windows[fitted:])
    assert roc_auc_score(labels[fitted:], scores) >= 0.87


def test_forest_scores_two_thousand_rows_a_second() -> None:
    random = np.random.default_rng(0)
    forest = grow_forest(
        random.normal(size=(2_000, SHINGLE)), tree_count=50, points_per_tree=256, seed=0
    )
    rows = random.normal(size=(1_000, SHINGLE))
    # Its own CPU time: the machine may be busy with other things.
    seconds = []
    for _ in range(5):
        start = time.process_time()
        forest.scores(rows)
        seconds.append(time.process_time() - start)
    assert len(rows) / min(seconds) >= 2_000


@pytest.mark.data
def test_xgboost_predicts_the_failures_of_the_last_fifth(data_dir: Path, tmp_path: Path) -> None:
    with (data_dir / "ai4i2020" / "ai4i2020.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    table = [
        [row["Machine failure"], "LMH".index(row["Type"]), *list(row.values())[3:-1]]
        for row in rows
    ]
    cut = len(table) * 8 // 10
    layout = lay_out(
        tmp_path,
        hyperparameters={
            "num_round": "100", "max_depth": "6", "eta": "0.1", "objective": "binary:logistic",
            "nthread": "1",
        },
        channels={"train": "\n".join(",".join(map(str, row)) for row in table[:cut])},
    )  # fmt: skip
    assert train("xgboost", layout) == 0
    body = "\n".join(",".join(map(str, row[1:])) for row in table[cut:])
    answer = answer_invocation(
        load_algorithm("xgboost").load(layout.model),
        body.encode(),
        content_type="text/csv",
        accept="text/csv",
    )
    scores = [float(line) for line in answer.body.split()]
    assert roc_auc_score([int(row[0]) for row in table[cut:]], scores) >= 0.97
