"""A model type: how frames are written for, and answers read from, a family of models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from penstock.domain.predictions import PredictionKind


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said of one row."""

    value: float | None
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingLayout:
    """How the prepared files must look: CSV without header, label first where there is one.

    Without `allows_missing`, rows that lack a feature are left out of the dataset.
    """

    has_label: bool
    content_type: str
    allows_missing: bool = True


@dataclass(frozen=True, slots=True)
class ModelType:
    """Everything that knows one algorithm outside of its own image.

    `encode` writes rows (NaN is missing) as one request body; `decode` reads the answer to `n` rows
    and raises MalformedPayload where it is not n answers. `hyperparameters` checks what a job asks
    for, given the number of features, fills the defaults, and raises InvalidInput naming the field.
    """

    name: str
    image: str
    kind: PredictionKind
    content_type: str
    accept: str
    layout: TrainingLayout
    max_payload_bytes: int
    encode: Callable[[Sequence[Sequence[float]]], bytes]
    decode: Callable[[bytes, int], list[Answer]]
    hyperparameters: Callable[[Mapping[str, object], int, int], dict[str, str]]
    metric_patterns: Mapping[str, str]
