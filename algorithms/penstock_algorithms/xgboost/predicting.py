"""Load a booster and predict with it."""

from functools import partial
from pathlib import Path
from typing import Any

import xgboost
from scipy.sparse import csr_matrix

from penstock_algorithms import answers
from penstock_algorithms.errors import RefusedError
from penstock_algorithms.invocations import Predictor
from penstock_algorithms.tables import parse_csv, parse_libsvm
from penstock_algorithms.xgboost.training import MODEL_FILE

Features = Any  # a dense matrix from CSV, a sparse one from libsvm


def load(folder: Path) -> Predictor[Any, Any]:
    """Load `xgboost-model`, or the only file of the folder when a model came from elsewhere."""
    # From bytes, XGBoost tells UBJ from JSON by the content; from a path, by the file's suffix.
    booster = xgboost.Booster(model_file=bytearray(_model_file(folder).read_bytes()))
    libsvm = partial(_read_libsvm, width=booster.num_features())
    return Predictor(
        readers={"text/csv": parse_csv, "text/libsvm": libsvm, "text/x-libsvm": libsvm},
        predict=partial(predict, booster=booster),
        writers={
            answers.CSV: answers.csv_lines,
            answers.JSON: partial(answers.json_list, "predictions"),
            answers.JSON_LINES: answers.json_lines,
        },
    )


def predict(rows: Features, *, booster: xgboost.Booster) -> Any:
    """Return a score per row, or one per class; safe to call from several threads."""
    fitting = fit_width(rows, booster.num_features())
    return booster.inplace_predict(fitting, validate_features=False)


def _model_file(folder: Path) -> Path:
    if (folder / MODEL_FILE).exists():
        return folder / MODEL_FILE
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    if len(files) != 1:
        raise FileNotFoundError(f"{folder} holds no {MODEL_FILE} and {len(files)} other files")
    return files[0]


def _read_libsvm(body: bytes, *, width: int) -> Features:
    return parse_libsvm(body, width=width).features


def fit_width(rows: Features, width: int) -> Features:
    """Return exactly the model's features.

    A row of one column more is one of the training file: its label, the first column, is dropped.
    Sparse rows may not go past the model's last feature.
    """
    found = rows.shape[1]
    if found == width:
        return rows
    if found == width + 1 and not isinstance(rows, csr_matrix):
        return rows[:, 1:]
    raise RefusedError(400, f"rows have {found} features, the model was trained with {width}")
