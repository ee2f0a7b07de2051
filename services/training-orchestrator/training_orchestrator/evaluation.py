"""The judgement of a model on rows that it never saw: numbers, the gate, and a sentence why."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from penstock.bodies import Body
from pydantic import Field
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from training_orchestrator.bodies import EvaluateBody

_TOP_SHARES = (50, 95, 99)


class Verdict(Body):
    """What the evaluation found; stored with the model version."""

    passed: bool
    reason: str
    rows: Annotated[int, Field(ge=0)]
    metrics: dict[str, float] = Field(default_factory=dict)
    champion: str | None = None
    champion_metrics: dict[str, float] = Field(default_factory=dict)

    @property
    def metrics_json(self) -> str:
        """The metrics as the registry keeps them."""
        return json.dumps(self.metrics)


def classification_metrics(labels: Sequence[float], scores: Sequence[float]) -> dict[str, float]:
    """ROC-AUC, PR-AUC, log loss and the share of positives; empty where only one class came."""
    truth = np.asarray(labels)
    if len(np.unique(truth)) < 2:
        return {}
    given = np.asarray(scores)
    return {
        "roc_auc": float(roc_auc_score(truth, given)),
        "pr_auc": float(average_precision_score(truth, given)),
        "log_loss": float(log_loss(truth, given)),
        "positive_share": float(truth.mean()),
    }


def score_metrics(scores: Sequence[float]) -> dict[str, float]:
    """How anomaly scores are spread over ordinary rows: where an alarm threshold may lie."""
    given = np.asarray(scores)
    spread = {f"score_p{share}": float(np.percentile(given, share)) for share in _TOP_SHARES}
    return {
        "score_mean": float(given.mean()),
        "score_std": float(given.std()),
        **spread,
        "score_max": float(given.max()),
    }


def judge(
    gate: EvaluateBody,
    metrics: Mapping[str, float],
    *,
    rows: int,
    champion: str | None = None,
    champion_metrics: Mapping[str, float] | None = None,
) -> Verdict:
    """Compare what was measured with what the job asks for."""
    found = dict(metrics)
    beaten = dict(champion_metrics or {})
    faults = [
        fault
        for fault in (
            _below_bound(gate, found),
            _not_better(gate, found, champion, beaten) if champion else None,
        )
        if fault
    ]
    reason = "; ".join(faults) or _praise(gate, found, champion, beaten)
    return Verdict(
        passed=not faults, reason=reason, rows=rows, metrics=found, champion=champion,
        champion_metrics=beaten,
    )  # fmt: skip


def _below_bound(gate: EvaluateBody, metrics: Mapping[str, float]) -> str | None:
    bound = gate.max if gate.metric == "log_loss" else gate.min
    if bound is None:
        return None
    value = metrics.get(gate.metric)
    if value is None:
        return f"the test rows hold one class only, so {gate.metric} cannot be told: widen the test"
    if gate.metric == "log_loss":
        return f"log_loss {value:.4f} is above {bound:g}" if value > bound else None
    return f"{gate.metric} {value:.4f} is below {bound:g}" if value < bound else None


def _not_better(
    gate: EvaluateBody,
    metrics: Mapping[str, float],
    champion: str | None,
    champion_metrics: Mapping[str, float],
) -> str | None:
    if gate.beat_champion_by is None:
        return None
    mine, theirs = metrics.get(gate.metric), champion_metrics.get(gate.metric)
    if mine is None or theirs is None:
        return f"{gate.metric} cannot be compared with champion {champion}"
    ahead = theirs - mine if gate.metric == "log_loss" else mine - theirs
    if ahead >= gate.beat_champion_by - 1e-12:
        return None
    return (
        f"{gate.metric} {mine:.4f} does not beat champion {champion}'s {theirs:.4f}"
        f" by {gate.beat_champion_by:g}"
    )


def _praise(
    gate: EvaluateBody,
    metrics: Mapping[str, float],
    champion: str | None,
    champion_metrics: Mapping[str, float],
) -> str:
    value = metrics.get(gate.metric, math.nan)
    if math.isnan(value):
        return "scored without labels: no gate applies"
    theirs = champion_metrics.get(gate.metric)
    beside = f", champion {champion} {theirs:.4f}" if theirs is not None else ""
    return f"{gate.metric} {value:.4f}{beside}"
