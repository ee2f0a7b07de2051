"""The figures of a demonstration, worked out from what stands in the stores."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import psycopg
from sklearn.metrics import roc_auc_score

from penstock_local.checking.stores import Row
from penstock_local.demo.scenario import PROBE, Json, Scenario


def score_of(scenario: Scenario, rows: Sequence[Row]) -> float | None:
    """ROC-AUC of the values in Aurora against what was true; None where only one class came."""
    labels = scenario.truth([(row.asset, row.event_time) for row in rows])
    known = [(y, row.value) for y, row in zip(labels, rows, strict=True) if y is not None]
    if len({y for y, _ in known}) < 2:
        return None
    return float(roc_auc_score([y for y, _ in known], [value for _, value in known]))


def seconds_to_aurora(dsn: str, scenario: Scenario) -> tuple[float, float] | None:
    """p50 and p99 of seconds from the acceptance of a POST to its row in Aurora."""
    query = (
        "SELECT extract(epoch FROM stored_at - received_at) FROM v_predictions"
        " WHERE binding = %s AND NOT starts_with(asset, %s)"
    )
    with psycopg.connect(dsn) as connection:
        seconds = [
            float(row[0]) for row in connection.execute(query, [scenario.checked.name, PROBE])
        ]
    if not seconds:
        return None
    p50, p99 = np.percentile(seconds, [50, 99])
    return float(p50), float(p99)


def training_seconds(job: Json) -> float | None:
    """How long a job took, from its creation to its end."""
    try:
        started, ended = (datetime.fromisoformat(job[key]) for key in ("created_at", "ended_at"))
    except (KeyError, TypeError, ValueError):
        return None
    return (ended - started).total_seconds()
