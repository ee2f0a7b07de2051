"""Public data sets through all of Penstock: history by REST, live rows by POST, scores from Aurora.

`docs/real-data.md` tells the figures.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from penstock_client.csv_rows import CsvOptions, read_rows
from penstock_client.gateway import GatewaySender
from penstock_client.sending import Pace, SequenceOptions, send_sequences
from penstock_local.checking.expected import Expected, expected_sequences
from penstock_local.checking.sent import read_logs
from penstock_local.checking.stores import Row
from penstock_local.checking.verdict import judge
from penstock_local.demo import steps
from penstock_local.demo.csv_scenario import CsvChoice, csv_scenario
from penstock_local.demo.history import serving_history
from penstock_local.demo.plant_scenario import readings_api
from penstock_local.demo.scenario import Json
from penstock_local.demo.steps import Stage
from sklearn.metrics import roc_auc_score

from tests.fixtures.waiting import wait_until

pytestmark = pytest.mark.data


def test_ai4i_failures_are_predicted_live(stage: Stage, data_dir: Path) -> None:
    choice = CsvChoice(
        data_dir / "ai4i2020" / "ai4i2020.csv", "Machine failure", exclude=("UDI", "Product ID")
    )
    scenario = csv_scenario(choice)
    with serving_history(scenario.history, stage.folder / "history.log") as url:
        key = steps.set_up(stage, scenario, history_url=url)
        job = steps.train(stage, scenario, lambda _: None)
        assert job["slices"]["done"] >= 20
        steps.prove_the_way(stage, scenario, key)
        steps.stream(stage, scenario, key, lambda _: None)
    outcome = steps.settle(stage, scenario)
    assert outcome.is_right, [str(finding) for finding in outcome.findings]
    assert len(outcome.expected) == 2000
    rows = outcome.rows["aurora"]
    labels = scenario.truth([(row.asset, row.event_time) for row in rows])
    score = _keep("ai4i", rows, [bool(label) for label in labels])
    assert score >= 0.96


OUT = Path(__file__).parents[2] / "benchmarks" / "out"
NAB = "machine_temperature_system_failure.csv"
MODEL = "nab-machine-temperature"
SENSOR = "machine-temperature"
WINDOW = 48
TRAIN_SHARE = 0.95


def test_nab_anomalies_are_scored_as_sequences(stage: Stage, data_dir: Path) -> None:
    file = data_dir / "nab" / NAB
    options = CsvOptions(prefix="/NAB/M1", time_column="timestamp")
    rows = list(read_rows(file, options))
    split = round(len(rows) * 0.15)
    history = ["--csv", str(file.parent), "--asset-prefix", options.prefix]
    with serving_history(history, stage.folder / "history.log") as url:
        key = _set_up(stage, url)
        # The train part is the first 15 %; the evaluation's rows come after it.
        until = rows[round(split / TRAIN_SHARE)].at
        job = stage.penstock.jobs.start(_job(rows[0].at, until))
        stage.penstock.jobs.wait(job["job_id"], timeout_seconds=300, every_seconds=0.25)
    sequences = SequenceOptions("value", SENSOR, MODEL, WINDOW)
    with GatewaySender(stage.url, key, log=stage.log) as sender:
        live = rows[split - WINDOW + 1 :]
        send_sequences(
            live, sender, options=sequences, batch=50, pace=Pace(0), on_sent=lambda _: None
        )
    expected = expected_sequences(read_logs([stage.log]), MODEL)

    def all_arrived() -> bool:
        return _count(stage) >= len(expected)

    wait_until(all_arrived, "every sequence's score in Aurora", seconds=300)
    rows_by_store = _rows(stage)
    wait_until(lambda: not _wrong(stage, expected), "each store right")
    windows = _windows(file.parent)
    labels = [any(a <= row.event_time <= b for a, b in windows) for row in rows_by_store["aurora"]]
    assert _keep("nab", rows_by_store["aurora"], labels) >= 0.85


def _keep(name: str, rows: Sequence[Row], labels: Sequence[bool]) -> float:
    """Score the rows, and keep them for `make real-data-plots`."""
    score = float(roc_auc_score(labels, [row.value for row in rows]))
    OUT.mkdir(parents=True, exist_ok=True)
    points = sorted((row.event_time, row.value, y) for row, y in zip(rows, labels, strict=True))
    (OUT / f"{name}.json").write_text(json.dumps({"roc_auc": score, "points": points}))
    return score


def _set_up(stage: Stage, history_url: str) -> str:
    stage.penstock.gateways.put("nab-gateway", {"models": [MODEL]})
    stage.penstock.sources.put(
        "nab",
        {
            "plugin": "paged_json",
            "base_url": history_url,
            "rate": {"rps": 200, "concurrency": 4},
            "options": readings_api(f"/csv/{NAB}"),
        },
    )
    return str(stage.penstock.gateways.add_key("nab-gateway")["key"])


def _job(since: datetime, until: datetime) -> Json:
    feature = {"name": "value", "tag": "value"}
    return {
        "model": MODEL,
        "dataset": {
            "source": "nab",
            "range": {"from": since.isoformat(), "to": until.isoformat()},
            "assets": {"prefix": "/NAB/M1"},
            "slicing": {"window": "12h", "page_size": 5000},
            "frame": {"mode": "window", "samples": WINDOW, "features": [feature]},
            "split": {"train": TRAIN_SHARE, "validation": 0, "test": round(1 - TRAIN_SHARE, 2)},
        },
        "train": {"algorithm": "randomcutforest", "hyperparameters": {"num_trees": 100}},
    }


def _rows(stage: Stage) -> dict[str, list[Row]]:
    binding = f"seq:{MODEL}"
    return {
        store: [row for row in found if row.binding == binding]
        for store, found in stage.stores.read_all().items()
    }


def _count(stage: Stage) -> int:
    return sum(row.binding == f"seq:{MODEL}" for row in stage.stores.aurora())


def _wrong(stage: Stage, expected: Expected) -> list[str]:
    findings = judge(expected, _rows(stage))
    return [str(finding) for finding in findings if not finding.is_right]


def _windows(folder: Path) -> list[tuple[int, int]]:
    spans = json.loads((folder / "windows.json").read_text())[NAB]
    return [(_micros(a), _micros(b)) for a, b in spans]


def _micros(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1e6)
