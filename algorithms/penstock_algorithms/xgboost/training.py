"""Train a booster and print its evaluations, one line per round."""

import re
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import xgboost
from scipy.sparse import csr_matrix, vstack

from penstock_algorithms.contract import Channel, TrainingJob
from penstock_algorithms.datasets import read_csv_channel, read_files
from penstock_algorithms.errors import CustomerError
from penstock_algorithms.invocations import media_type
from penstock_algorithms.tables import Matrix, parse_libsvm
from penstock_algorithms.xgboost.settings import XgboostSettings

MODEL_FILE = "xgboost-model"


class Labelled(NamedTuple):
    features: Any  # a dense matrix from CSV, a sparse one from libsvm
    labels: Matrix


class PrintedEvaluations(xgboost.callback.TrainingCallback):
    """Print `[i]<tab>train-auc:0.9<tab>validation-auc:0.8`: the lines that metric regexes read."""

    def after_iteration(
        self,
        model: Any,  # noqa: ARG002  # the base class names it
        epoch: int,
        evals_log: dict[str, dict[str, Any]],
    ) -> bool:
        scores = [
            f"{channel}-{metric}:{values[-1]:.5f}"
            for channel, metrics in evals_log.items()
            for metric, values in metrics.items()
        ]
        sys.stdout.write("\t".join([f"[{epoch}]", *scores]) + "\n")
        sys.stdout.flush()
        return False


def train(job: TrainingJob[XgboostSettings]) -> None:
    """Train on `train`, watch `validation` if there is one, and write the model."""
    settings = job.settings
    parameters = settings.booster_parameters()
    train_rows = read_labelled(job.channel("train"))
    channels = {"train": train_rows}
    if "validation" in job.channels:
        channels["validation"] = read_labelled(job.channels["validation"])
        _check_width(train_rows, channels["validation"])
    elif settings.early_stopping_rounds is not None:
        raise CustomerError("Hyperparameter 'early_stopping_rounds' needs a channel 'validation'")
    for name, rows in channels.items():
        _check_labels(name, rows.labels, settings)
    try:
        booster = _boost(parameters, settings, channels)
    except xgboost.core.XGBoostError as error:
        raise CustomerError(_first_line(error)) from error
    (job.model / MODEL_FILE).write_bytes(booster.save_raw(raw_format="ubj"))


def _boost(
    parameters: dict[str, Any], settings: XgboostSettings, channels: dict[str, Labelled]
) -> xgboost.Booster:
    matrices = {
        name: xgboost.DMatrix(rows.features, label=rows.labels, nthread=settings.nthread)
        for name, rows in channels.items()
    }
    callbacks: list[xgboost.callback.TrainingCallback] = [PrintedEvaluations()]
    if settings.early_stopping_rounds is not None:
        # save_best: rounds after the best one never reach the model file.
        stop = xgboost.callback.EarlyStopping(rounds=settings.early_stopping_rounds, save_best=True)
        callbacks.append(stop)
    return xgboost.train(
        parameters,
        matrices["train"],
        num_boost_round=settings.num_round,
        evals=[(matrix, name) for name, matrix in matrices.items()],
        verbose_eval=False,
        callbacks=callbacks,
    )


def read_labelled(channel: Channel) -> Labelled:
    """Read a channel as its content type says; without one, `index:value` tells libsvm from CSV."""
    content_type = media_type(channel.content_type) if channel.content_type else _sniff(channel)
    read = READERS.get(content_type)
    if read is None:
        known = ", ".join(READERS)
        raise CustomerError(
            f"Channel '{channel.name}' has content type {channel.content_type}, known are {known}"
        )
    rows = read(channel)
    unlabelled = np.flatnonzero(~np.isfinite(rows.labels))
    if unlabelled.size:
        raise CustomerError(f"Channel '{channel.name}' has no label in row {unlabelled[0] + 1}")
    return rows


def _read_csv(channel: Channel) -> Labelled:
    table = read_csv_channel(channel)
    if table.shape[1] < 2:
        raise CustomerError(
            f"Channel '{channel.name}' has one column: the label must be followed by features"
        )
    return Labelled(table[:, 1:], table[:, 0])


def _read_libsvm(channel: Channel) -> Labelled:
    parts = list(read_files(channel, parse_libsvm))
    width = max(part.features.shape[1] for part in parts)
    features = vstack([_widen(part.features, width) for part in parts], format="csr")
    return Labelled(features, np.concatenate([part.labels for part in parts]))


def _widen(features: csr_matrix, width: int) -> csr_matrix:
    return csr_matrix(
        (features.data, features.indices, features.indptr), shape=(features.shape[0], width)
    )


READERS: dict[str, Callable[[Channel], Labelled]] = {
    "text/csv": _read_csv,
    "text/libsvm": _read_libsvm,
    "text/x-libsvm": _read_libsvm,
}


def _sniff(channel: Channel) -> str:
    for path in channel.files():
        with path.open("rb") as file:
            return "text/libsvm" if b":" in file.readline() else "text/csv"
    return "text/csv"


def _check_width(train_rows: Labelled, validation: Labelled) -> None:
    expected, found = train_rows.features.shape[1], validation.features.shape[1]
    if isinstance(train_rows.features, csr_matrix) or expected == found:
        return
    hint = "; it seems to lack its label" if found == expected - 1 else ""
    raise CustomerError(
        f"Channel 'validation' has {found + 1} columns, 'train' has {expected + 1}{hint}"
    )


def _check_labels(name: str, labels: Matrix, settings: XgboostSettings) -> None:
    if settings.objective.startswith("multi:"):
        classes = settings.num_class or 0
    elif settings.objective.startswith("binary:"):
        classes = 2
    else:
        return
    wrong = np.flatnonzero((labels != np.floor(labels)) | (labels < 0) | (labels >= classes))
    if wrong.size:
        row = wrong[0]
        raise CustomerError(
            f"Channel '{name}' has label {labels[row]:g} in row {row + 1}: the label is the first "
            f"column, and for {settings.objective} a whole number in [0, {classes - 1}]"
        )


def _first_line(error: xgboost.core.XGBoostError) -> str:
    """Return XGBoost's sentence without its time, source line and C++ stack."""
    first = next((line for line in str(error).splitlines() if line.strip()), "XGBoost failed")
    return re.sub(r"^\[[\d:]+\] \S+:\d+: (Check failed: .*?: )?", "", first)
