"""Random Cut Forest under the contract of SageMaker's built-in: CSV in, a score per row out."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from penstock.domain.errors import InvalidInput, MalformedPayload
from penstock.domain.predictions import PredictionKind
from penstock.model_type import Answer, ModelType, TrainingLayout

_DEFAULTS: dict[str, object] = {"num_trees": 100, "num_samples_per_tree": 256}
_KNOWN = frozenset({"num_trees", "num_samples_per_tree", "feature_dim", "seed"})


class _Score(msgspec.Struct):
    score: float


class _Scores(msgspec.Struct):
    scores: list[_Score]


def encode(rows: Sequence[Sequence[float]]) -> bytes:
    """Write CSV without header; the forest knows no missing numbers, so a NaN is refused."""
    if any(math.isnan(number) for row in rows for number in row):
        raise InvalidInput("randomcutforest cannot score a frame with missing features")
    return "\n".join(",".join(map(repr, row)) for row in rows).encode()


def decode(body: bytes, n: int) -> list[Answer]:
    """Read `{"scores": [{"score": s}, ...]}`: one anomaly score per row, greater is stranger."""
    try:
        scores = [item.score for item in msgspec.json.decode(body, type=_Scores).scores]
    except msgspec.DecodeError as error:
        raise MalformedPayload(
            f"randomcutforest answered something else than scores: {error}"
        ) from error
    if len(scores) != n:
        raise MalformedPayload(f"randomcutforest answered {len(scores)} scores to {n} rows")
    return [Answer(value=score) for score in scores]


def hyperparameters(asked: Mapping[str, object], width: int, seed: int) -> dict[str, str]:
    """Fill the defaults; `feature_dim` is the width of the frame and cannot be another."""
    unknown = sorted(set(asked) - _KNOWN)
    if unknown:
        raise InvalidInput(f"train.hyperparameters: randomcutforest has no {', '.join(unknown)}")
    if str(asked.get("feature_dim", width)) != str(width):
        raise InvalidInput(
            f"train.hyperparameters.feature_dim: the frame has {width} features; leave it out"
        )
    filled = {**_DEFAULTS, "seed": seed, **asked, "feature_dim": width}
    return {key: str(value) for key, value in filled.items()}


MODEL_TYPE = ModelType(
    name="randomcutforest",
    image="randomcutforest:1",
    kind=PredictionKind.SCORE,
    content_type="text/csv",
    accept="application/json",
    layout=TrainingLayout(
        has_label=False, content_type="text/csv;label_size=0", allows_missing=False
    ),
    max_payload_bytes=6 * 1024 * 1024,
    encode=encode,
    decode=decode,
    hyperparameters=hyperparameters,
    metric_patterns={},
)
