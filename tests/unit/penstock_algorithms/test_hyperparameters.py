from dataclasses import dataclass

import pytest
from penstock_algorithms.errors import CustomerError
from penstock_algorithms.hyperparameters import hyperparameter, parse_hyperparameters


@dataclass(frozen=True, kw_only=True)
class Settings:
    num_round: int = hyperparameter(low=1)
    eta: float = hyperparameter(0.3, low=0, high=1)
    penalty: float | None = hyperparameter(None, name="lambda")
    objective: str = hyperparameter("a", choices=("a", "b"))


def test_strings_become_what_the_declaration_says() -> None:
    raw = {"num_round": "10", "eta": "0.1", "lambda": "2", "objective": "b"}
    assert parse_hyperparameters(Settings, raw) == Settings(
        num_round=10, eta=0.1, penalty=2.0, objective="b"
    )


def test_what_is_not_sent_keeps_its_default() -> None:
    assert parse_hyperparameters(Settings, {"num_round": "1"}) == Settings(num_round=1)


def test_strings_that_an_sdk_encoded_as_json_once_more_are_read() -> None:
    assert parse_hyperparameters(Settings, {"num_round": '"7"', "objective": '"b"'}).num_round == 7


def test_keys_of_the_platform_are_ignored() -> None:
    raw = {"num_round": "1", "_tuning_objective_metric": "x", "sagemaker_program": "train.py"}
    assert parse_hyperparameters(Settings, raw) == Settings(num_round=1)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({}, "Required hyperparameter 'num_round' is missing"),
        ({"num_round": "ten"}, "'num_round' must be an integer, not 'ten'"),
        ({"num_round": "1.5"}, "'num_round' must be an integer, not '1.5'"),
        ({"num_round": "0"}, "'num_round' must be in [1, inf], not 0"),
        ({"num_round": "1", "eta": "2"}, "'eta' must be in [0, 1], not 2"),
        ({"num_round": "1", "eta": "nan"}, "'eta' must be in [0, 1], not nan"),
        ({"num_round": "1", "lambda": "inf"}, "'lambda' must be in [-inf, inf], not inf"),
        ({"num_round": "1", "objective": "c"}, "'objective' must be one of a, b, not 'c'"),
        ({"num_round": "1", "eat": "1"}, "Extraneous hyperparameter found: 'eat'"),
    ],
)
def test_every_fault_is_named(raw: dict[str, str], words: str) -> None:
    with pytest.raises(CustomerError) as caught:
        parse_hyperparameters(Settings, raw)
    assert words in str(caught.value)
