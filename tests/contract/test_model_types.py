"""Every model type that is found keeps the contract; and one that does not is found out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from penstock import model_types
from penstock.model_type import Answer, ModelType
from penstock.model_types.xgboost import MODEL_TYPE as XGBOOST
from penstock.plugins import discover
from penstock_algorithms.registry import algorithm_names

from tests.contract.model_type_suite import check_agrees_with_its_program, check_model_type

MODEL_TYPES = discover(model_types, attribute="MODEL_TYPE", kind=ModelType)


@pytest.mark.parametrize("name", MODEL_TYPES)
def test_a_model_type_keeps_the_contract(name: str) -> None:
    check_model_type(name, MODEL_TYPES[name])


@pytest.mark.parametrize("name", sorted(MODEL_TYPES.keys() & set(algorithm_names())))
def test_a_model_type_and_the_program_that_serves_it_agree(name: str, tmp_path: Path) -> None:
    check_agrees_with_its_program(MODEL_TYPES[name], tmp_path)


def _swallows_garbage(_body: bytes, n: int) -> list[Answer]:
    return [Answer(0.0)] * n


def _falls_over(body: bytes, _n: int) -> list[Answer]:
    return [Answer(float(body))]


def _loses_the_order(rows: Sequence[Sequence[float]]) -> bytes:
    return XGBOOST.encode(sorted(rows, key=tuple))


def _sends_the_first_row(rows: Sequence[Sequence[float]]) -> bytes:
    return XGBOOST.encode(rows[:1])


def _takes_any_name(asked: Mapping[str, object], _width: int, seed: int) -> dict[str, str]:
    return {"seed": str(seed), **{name: str(value) for name, value in asked.items()}}


def _fills_nothing(asked: Mapping[str, object], width: int, seed: int) -> dict[str, str]:
    XGBOOST.hyperparameters(asked, width, seed)
    return {}


FAULTY: Mapping[str, Callable[[], ModelType]] = {
    "another name": lambda: replace(XGBOOST, name="xg-boost"),
    "no content type": lambda: replace(XGBOOST, content_type=""),
    "payload past every endpoint": lambda: replace(XGBOOST, max_payload_bytes=2**30),
    "garbage is an answer": lambda: replace(XGBOOST, decode=_swallows_garbage),
    "garbage is a bug": lambda: replace(XGBOOST, decode=_falls_over),
    "rows change places": lambda: replace(XGBOOST, encode=_loses_the_order),
    "rows are lost": lambda: replace(XGBOOST, encode=_sends_the_first_row),
    "misspelt hyperparameters pass": lambda: replace(XGBOOST, hyperparameters=_takes_any_name),
    "no defaults": lambda: replace(XGBOOST, hyperparameters=_fills_nothing),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_faulty_model_type_is_found_out(fault: str) -> None:
    faulty = FAULTY[fault]()
    with pytest.raises((AssertionError, ValueError, pytest.fail.Exception)):
        check_model_type("xgboost", faulty)
