"""What every model type owes to the worker and to training, whoever wrote it."""

import math
from pathlib import Path
from typing import Any

import pytest
from penstock.domain.errors import InvalidInput, MalformedPayload
from penstock.domain.predictions import PredictionKind
from penstock.model_type import ModelType
from penstock_algorithms.invocations import Predictor, answer_invocation
from penstock_algorithms.registry import load_algorithm

from tests.unit.penstock_algorithms.folders import failure, lay_out, train

WIDTH = 3
ROWS = [[float(n), n * 0.25 - 1, 1 / (n + 3)] for n in range(7)]
GARBAGE = (b"", b"null", b"[]", b"{}", b"<html>", b"\xff\xfe", b"0.5\n" * 50)
LARGEST_PAYLOAD = 25 * 1024 * 1024
SEED = 7


def check_model_type(name: str, model_type: ModelType) -> None:
    """Everything that can be told without a model."""
    assert model_type.name == name, "a model type is named by its file"
    assert isinstance(model_type.kind, PredictionKind)
    assert model_type.image
    assert "/" in model_type.content_type
    assert "/" in model_type.accept
    assert 0 < model_type.max_payload_bytes <= LARGEST_PAYLOAD
    _check_encode(model_type)
    _check_decode(model_type)
    _check_hyperparameters(model_type)


def _check_encode(model_type: ModelType) -> None:
    body = model_type.encode(ROWS)
    assert body
    assert body == model_type.encode(ROWS), "the same rows are the same bytes"
    assert body != model_type.encode(ROWS[::-1]), "rows keep their order"
    assert len(model_type.encode(ROWS)) > len(model_type.encode(ROWS[:1]))
    if model_type.layout.allows_missing:
        assert model_type.encode([[math.nan, 1.0, 2.0]])
    else:
        with pytest.raises(InvalidInput, match="missing"):
            model_type.encode([[math.nan, 1.0, 2.0]])


def _check_decode(model_type: ModelType) -> None:
    for garbage in GARBAGE:
        for count in (1, 3):
            with pytest.raises(MalformedPayload, match=model_type.name):
                model_type.decode(garbage, count)


def _check_hyperparameters(model_type: ModelType) -> None:
    filled = model_type.hyperparameters({}, WIDTH, SEED)
    assert filled, "defaults are filled in, so that a job shows what it ran with"
    assert all(isinstance(value, str) for value in filled.values()), "SageMaker takes texts alone"
    with pytest.raises(InvalidInput, match="no_such_parameter"):
        model_type.hyperparameters({"no_such_parameter": 1}, WIDTH, SEED)


def check_agrees_with_its_program(model_type: ModelType, folder: Path) -> None:
    """A model trained by our program understands the type's bytes, and is understood."""
    predictor = _trained(model_type, folder)
    for rows in (ROWS, ROWS[:1]):
        answer = answer_invocation(
            predictor,
            model_type.encode(rows),
            content_type=model_type.content_type,
            accept=model_type.accept,
        )
        assert answer.status == 200, answer.body
        told = model_type.decode(answer.body, len(rows))
        assert len(told) == len(rows)
        assert all(one.value is not None and math.isfinite(one.value) for one in told)
        if model_type.kind is PredictionKind.CLASSIFICATION:
            assert all(one.probability is not None and 0 <= one.probability <= 1 for one in told)
        _check_a_count_off_by_one_is_refused(model_type, answer.body, len(rows))


def _check_a_count_off_by_one_is_refused(model_type: ModelType, body: bytes, count: int) -> None:
    for wrong in (count - 1, count + 1):
        with pytest.raises(MalformedPayload):
            model_type.decode(body, wrong)


def _trained(model_type: ModelType, folder: Path) -> Predictor[Any, Any]:
    lines = [ROWS[n % len(ROWS)] for n in range(70)]
    if model_type.layout.has_label:
        lines = [[float(n % 2), *line] for n, line in enumerate(lines)]
    layout = lay_out(
        folder,
        hyperparameters=model_type.hyperparameters({}, WIDTH, SEED),
        channels={"train": "\n".join(",".join(map(repr, line)) for line in lines)},
        content_type=model_type.layout.content_type,
    )
    assert train(model_type.name, layout) == 0, failure(layout)
    return load_algorithm(model_type.name).load(layout.model)
