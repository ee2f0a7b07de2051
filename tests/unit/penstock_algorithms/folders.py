"""A container's folder, laid out as the platform does it, and one training run in it."""

import json
from collections.abc import Mapping
from pathlib import Path

from penstock_algorithms.contract import Layout
from penstock_algorithms.registry import load_algorithm
from penstock_algorithms.training import run_training


def lay_out(
    base: Path,
    *,
    hyperparameters: Mapping[str, str],
    channels: Mapping[str, str],
    content_type: str | None = "text/csv",
) -> Layout:
    config = base / "input" / "config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    described = {name: {"ContentType": content_type} if content_type else {} for name in channels}
    (config / "inputdataconfig.json").write_text(json.dumps(described))
    for name, text in channels.items():
        folder = base / "input" / "data" / name
        folder.mkdir(parents=True)
        (folder / "part-0.csv").write_text(text)
    return Layout.from_environment({"SAGEMAKER_BASE_DIR": str(base)})


def train(algorithm: str, layout: Layout) -> int:
    return run_training(load_algorithm(algorithm), layout)


def failure(layout: Layout) -> str:
    return layout.failure.read_text()
