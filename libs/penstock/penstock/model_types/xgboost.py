"""XGBoost under the contract of SageMaker's built-in: CSV in, a probability per row out."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from penstock.domain.errors import InvalidInput, MalformedPayload
from penstock.domain.predictions import PredictionKind
from penstock.model_type import Answer, ModelType, TrainingLayout

_DEFAULTS: dict[str, object] = {"objective": "binary:logistic", "num_round": 100, "max_depth": 6}
_KNOWN = frozenset(
    {
        "num_round", "objective", "eval_metric", "max_depth", "eta", "gamma", "min_child_weight",
        "subsample", "colsample_bytree", "scale_pos_weight", "lambda", "alpha", "seed",
        "early_stopping_rounds", "nthread",
    }
)  # fmt: skip


class _Score(msgspec.Struct):
    score: float


class _Scores(msgspec.Struct):
    predictions: list[_Score]


def encode(rows: Sequence[Sequence[float]]) -> bytes:
    """Write CSV without header; a missing number is an empty field."""
    return "\n".join(
        ",".join("" if math.isnan(x) else repr(x) for x in row) for row in rows
    ).encode()


def decode(body: bytes, n: int) -> list[Answer]:
    """Read `{"predictions": [{"score": p}, ...]}`: one probability per row."""
    try:
        scores = [item.score for item in msgspec.json.decode(body, type=_Scores).predictions]
    except msgspec.DecodeError as error:
        raise MalformedPayload(f"xgboost answered something else than scores: {error}") from error
    if len(scores) != n:
        raise MalformedPayload(f"xgboost answered {len(scores)} scores to {n} rows")
    if not all(0.0 <= score <= 1.0 for score in scores):
        raise MalformedPayload("xgboost answered a score that is no probability")
    return [Answer(value=score, probability=score) for score in scores]


def hyperparameters(asked: Mapping[str, object], width: int, seed: int) -> dict[str, str]:  # noqa: ARG001
    """Fill the defaults and refuse names that the algorithm does not have."""
    unknown = sorted(set(asked) - _KNOWN)
    if unknown:
        raise InvalidInput(f"train.hyperparameters: xgboost has no {', '.join(unknown)}")
    return {key: str(value) for key, value in {**_DEFAULTS, "seed": seed, **asked}.items()}


MODEL_TYPE = ModelType(
    name="xgboost",
    image="sagemaker-xgboost:3.0-5",
    kind=PredictionKind.CLASSIFICATION,
    content_type="text/csv",
    accept="application/json",
    layout=TrainingLayout(has_label=True, content_type="text/csv"),
    max_payload_bytes=6 * 1024 * 1024,
    encode=encode,
    decode=decode,
    hyperparameters=hyperparameters,
    metric_patterns={
        "train:logloss": r"train-logloss:([0-9.]+)",
        "validation:logloss": r"validation-logloss:([0-9.]+)",
        "train:auc": r"train-auc:([0-9.]+)",
        "validation:auc": r"validation-auc:([0-9.]+)",
    },
)
