import math

import msgspec
import pytest
from penstock.adapters.memory import MemoryModelHost
from penstock.domain.errors import InvalidInput
from training_orchestrator.bodies import EvaluateBody
from training_orchestrator.evaluation import classification_metrics, judge, score_metrics
from training_orchestrator.held_out import read_held_out
from training_orchestrator.scoring import Served, score

from tests.unit.training_orchestrator.world import MODEL_TYPES

GOOD = {"roc_auc": 0.9, "pr_auc": 0.6, "log_loss": 0.2}


def test_a_perfect_order_has_every_metric_at_its_best() -> None:
    metrics = classification_metrics([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert metrics["roc_auc"] == metrics["pr_auc"] == 1.0
    assert metrics["log_loss"] < 0.2
    assert metrics["positive_share"] == 0.5


def test_one_class_alone_has_no_metrics() -> None:
    assert classification_metrics([0, 0], [0.1, 0.2]) == {}


def test_scores_are_told_by_their_spread() -> None:
    metrics = score_metrics([float(n) for n in range(101)])
    assert (metrics["score_p50"], metrics["score_p95"], metrics["score_max"]) == (50, 95, 100)


@pytest.mark.parametrize(
    ("gate", "metrics", "passed", "reason"),
    [
        ({}, GOOD, True, "pr_auc 0.6000"),
        ({"min": 0.55}, GOOD, True, "pr_auc 0.6000"),
        ({"min": 0.65}, GOOD, False, "pr_auc 0.6000 is below 0.65"),
        ({"metric": "log_loss", "max": 0.1}, GOOD, False, "log_loss 0.2000 is above 0.1"),
        ({"metric": "log_loss", "max": 0.3}, GOOD, True, "log_loss 0.2000"),
        ({"metric": "roc_auc", "min": 0.5}, {}, False, "one class only"),
        ({}, {"score_p50": 1.0}, True, "no gate applies"),
    ],
)
def test_the_gate_says_what_it_measured(
    gate: dict[str, object], metrics: dict[str, float], passed: bool, reason: str
) -> None:
    verdict = judge(EvaluateBody.model_validate(gate), metrics, rows=10)
    assert verdict.passed is passed
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("metric", "theirs", "by", "passed"),
    [
        ("pr_auc", 0.59, 0.01, True),
        ("pr_auc", 0.595, 0.01, False),
        ("pr_auc", 0.6, 0.0, True),
        ("log_loss", 0.25, 0.05, True),
        ("log_loss", 0.19, 0.0, False),
        ("roc_auc", None, 0.0, False),
    ],
)
def test_the_champion_is_to_be_beaten_in_the_metrics_own_direction(
    metric: str, theirs: float | None, by: float, passed: bool
) -> None:
    gate = EvaluateBody.model_validate({"metric": metric, "beat_champion_by": by})
    held = {metric: theirs} if theirs is not None else {}
    verdict = judge(gate, GOOD, rows=10, champion="v3", champion_metrics=held)
    assert verdict.passed is passed
    assert "v3" in verdict.reason


def test_held_out_rows_are_read_with_their_missing_numbers() -> None:
    rows = read_held_out(b"1,2.5,\n0,,3\n", has_label=True, at_most=100)
    assert rows.labels is not None
    assert rows.labels.tolist() == [1.0, 0.0]
    assert rows.features[0][0] == 2.5
    assert math.isnan(rows.features[0][1])
    assert math.isnan(rows.features[1][0])


def test_of_many_rows_some_are_taken_from_first_to_last() -> None:
    body = "".join(f"{n}\n" for n in range(1_000)).encode()
    rows = read_held_out(body, has_label=False, at_most=11)
    assert rows.labels is None
    assert [int(row[0]) for row in rows.features][:2] == [0, 99]
    assert int(rows.features[-1][0]) == 999


def test_no_rows_cannot_judge() -> None:
    with pytest.raises(InvalidInput, match="widen"):
        read_held_out(b"\n", has_label=True, at_most=100)


async def test_rows_that_a_forest_cannot_read_score_nothing() -> None:
    asked: list[bytes] = []

    def forest(body: bytes) -> bytes:
        asked.append(body)
        return msgspec.json.encode({"scores": [{"score": 1.5} for _ in body.splitlines()]})

    served = Served("eval", MODEL_TYPES["randomcutforest"])
    rows = [[1.0, 2.0], [math.nan, 2.0], [3.0, 4.0]]
    scores = await score(MemoryModelHost({"eval": forest}), served, rows, seconds=10)
    assert scores[0] == scores[2] == 1.5
    assert math.isnan(scores[1])
    assert asked == [b"1.0,2.0\n3.0,4.0"]


async def test_a_batch_without_a_readable_row_asks_nobody() -> None:
    served = Served("eval", MODEL_TYPES["randomcutforest"])
    (only,) = await score(MemoryModelHost({}), served, [[math.nan]], seconds=10)
    assert math.isnan(only)
