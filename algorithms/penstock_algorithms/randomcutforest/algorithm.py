"""Anomaly scores by random cut forest: rows of numbers without a label in, `forest.npz` out."""

import io
import json
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from penstock_algorithms import answers
from penstock_algorithms.contract import Algorithm, Channel, TrainingJob
from penstock_algorithms.datasets import read_csv_channel
from penstock_algorithms.errors import CustomerError, RefusedError, UnreadableDataError
from penstock_algorithms.invocations import Predictor, media_type
from penstock_algorithms.randomcutforest.forest import Forest, grow_forest
from penstock_algorithms.randomcutforest.settings import ForestSettings
from penstock_algorithms.tables import Matrix, parse_csv

MODEL_FILE = "forest.npz"


def train(job: TrainingJob[ForestSettings]) -> None:
    """Grow a forest over channel `train` and write it."""
    settings = job.settings
    channel = job.channel("train")
    _check_content_type(channel)
    rows = read_csv_channel(channel)
    if rows.shape[1] != settings.feature_dim:
        raise CustomerError(
            f"Hyperparameter 'feature_dim' is {settings.feature_dim}, "
            f"channel 'train' has {rows.shape[1]} columns"
        )
    incomplete = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if incomplete.size:
        raise CustomerError(f"Channel 'train' has a missing value in row {incomplete[0] + 1}")
    forest = grow_forest(
        rows,
        tree_count=settings.num_trees,
        points_per_tree=settings.num_samples_per_tree,
        seed=settings.seed,
    )
    stored: dict[str, Any] = {
        part.name: getattr(forest, part.name) for part in fields(forest) if part.init
    }
    np.savez(job.model / MODEL_FILE, **stored)


def _check_content_type(channel: Channel) -> None:
    if channel.content_type is None:
        return
    parameters = channel.content_type.replace(" ", "").lower().split(";")[1:]
    if media_type(channel.content_type) != "text/csv" or "label_size=1" in parameters:
        raise CustomerError(
            f"Channel '{channel.name}' has content type {channel.content_type}, "
            "it must be text/csv;label_size=0"
        )


def load(folder: Path) -> Predictor[Matrix, Any]:
    with np.load(folder / MODEL_FILE, allow_pickle=False) as arrays:
        forest = Forest(**{**arrays, "tree_count": int(arrays["tree_count"])})
    return Predictor(
        readers={
            "text/csv": parse_csv,
            answers.JSON: parse_instances,
            answers.JSON_LINES: parse_instance_lines,
        },
        predict=partial(score, forest),
        writers={
            answers.JSON: partial(answers.json_list, "scores"),
            answers.JSON_LINES: answers.json_lines,
            answers.CSV: answers.csv_lines,
        },
    )


def score(forest: Forest, rows: Matrix) -> Any:
    expected = len(forest.origin)
    if rows.shape[1] != expected:
        raise RefusedError(400, f"rows have {rows.shape[1]} features, feature_dim is {expected}")
    incomplete = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if incomplete.size:
        raise RefusedError(400, f"row {incomplete[0] + 1} has a missing value")
    return forest.scores(rows)


def parse_instances(body: bytes) -> Matrix:
    """Read `{"instances": [{"features": [...]}, ...]}`."""
    try:
        return _matrix([instance["features"] for instance in json.loads(body)["instances"]])
    except (ValueError, KeyError, TypeError) as error:
        wanted = '{"instances": [{"features": [...]}]}'
        raise UnreadableDataError(f"it must be {wanted} ({error!r})") from error


def parse_instance_lines(body: bytes) -> Matrix:
    """Read `{"features": [...]}` per line."""
    try:
        return _matrix([json.loads(line)["features"] for line in io.BytesIO(body) if line.strip()])
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableDataError(f'a line must be {{"features": [...]}} ({error!r})') from error


def _matrix(rows: list[list[float]]) -> Matrix:
    matrix = np.asarray(rows, np.float64)
    if matrix.ndim != 2:
        raise ValueError("features must be a list of numbers in every instance")
    return matrix


ALGORITHM = Algorithm(settings=ForestSettings, train=train, load=load)
