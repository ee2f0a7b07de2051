"""Plots of docs/real-data.md, from what `tests/e2e/test_data_sets.py` found in Aurora."""

import json
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt
from sklearn.metrics import roc_curve

ROOT = Path(__file__).parents[1]
OUT = ROOT / "benchmarks" / "out"
IMAGES = ROOT / "docs" / "images"


def main() -> None:
    """Draw both plots."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    _roc("ai4i", "AI4I 2020, the last 20 % of the rows, live")
    _anomalies("nab", "NAB machine temperature: score of each window of 48 values")


def _read(name: str) -> tuple[float, list[tuple[int, float, bool]]]:
    found = json.loads((OUT / f"{name}.json").read_text())
    return found["roc_auc"], found["points"]


def _roc(name: str, title: str) -> None:
    score, points = _read(name)
    false_rate, true_rate, _ = roc_curve([y for _, _, y in points], [s for _, s, _ in points])
    plt.figure(figsize=(4.5, 4))
    plt.plot(false_rate, true_rate)
    plt.plot([0, 1], [0, 1], linestyle=":", color="grey")
    plt.title(f"{title}\nROC-AUC {score:.3f}", fontsize=9)
    plt.xlabel("share of sound rows above the threshold")
    plt.ylabel("share of failures above it")
    _save(name)


def _anomalies(name: str, title: str) -> None:
    score, points = _read(name)
    times = [datetime.fromtimestamp(at / 1e6, UTC) for at, _, _ in points]
    scores = [s for _, s, _ in points]
    plt.figure(figsize=(9, 3))
    plt.plot(times, scores, linewidth=0.6)
    labelled = [y for _, _, y in points]
    plt.fill_between(times, min(scores), max(scores), where=labelled, alpha=0.25, color="red")
    plt.title(f"{title}; ROC-AUC {score:.3f}; labelled anomalies shaded", fontsize=9)
    _save(name)


def _save(name: str) -> None:
    plt.tight_layout()
    plt.savefig(IMAGES / f"{name}.png", dpi=110)
    plt.close()


if __name__ == "__main__":
    main()
