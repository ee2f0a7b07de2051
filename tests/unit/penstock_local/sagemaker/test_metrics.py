import pytest
from penstock_local.sagemaker.metrics import final_metrics, find_bad_regex

AUC = {"Name": "validation:auc", "Regex": r"validation-auc:([0-9.]+)"}
LOSS = {"Name": "train:loss", "Regex": r"train-loss:(\S+)"}


def test_last_number_of_each_metric_counts() -> None:
    lines = ["[0]\ttrain-loss:0.9\tvalidation-auc:0.7", "noise", "[1]\tvalidation-auc:0.8"]

    found = final_metrics(lines, [AUC, LOSS], at=5.0)

    assert [(metric.name, metric.value) for metric in found] == [
        ("validation:auc", 0.8),
        ("train:loss", 0.9),
    ]


@pytest.mark.parametrize("text", ["nan", "inf", "none", "1.2.3"])
def test_what_is_no_number_is_no_metric(text: str) -> None:
    assert final_metrics([f"train-loss:{text}"], [LOSS], at=5.0) == ()


@pytest.mark.parametrize("regex", ["loss:([0-9", "loss:[0-9]+"])
def test_bad_expressions_are_named(regex: str) -> None:
    assert "train:loss" in (find_bad_regex([AUC, {"Name": "train:loss", "Regex": regex}]) or "")


def test_good_expressions_have_no_fault() -> None:
    assert find_bad_regex([AUC, LOSS]) is None
