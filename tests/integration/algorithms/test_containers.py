"""Train and serve as the platform does: one process each, files and HTTP between them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from penstock_local.ports import free_port

from tests.fixtures.waiting import PATIENCE_SECONDS, wait_until
from tests.unit.penstock_algorithms.folders import lay_out

XGBOOST = {"num_round": "3", "objective": "binary:logistic", "eval_metric": "auc"}
ROWS = "1,2,3\n0,1,1\n" * 40


def run_train(algorithm: str, base: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock_algorithms", algorithm, "train"]
    environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(base), "OMP_NUM_THREADS": "1"}
    return subprocess.run(  # noqa: S603  # our own program
        command, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


@contextmanager
def served(algorithm: str, model: Path, **environment: str) -> Iterator[httpx.Client]:
    port = free_port()
    process = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", "penstock_algorithms", algorithm, "serve"],
        env={
            **os.environ,
            "SM_MODEL_DIR": str(model),
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "OMP_NUM_THREADS": "1",
            **environment,
        },
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            _wait_until_ready(client, process)
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE_SECONDS)
    assert code in (0, -signal.SIGTERM)


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    def is_ready() -> bool:
        assert process.poll() is None, "the server ended before it was ready"
        with suppress(httpx.TransportError):
            return client.get("/ping").status_code == 200
        return False

    wait_until(is_ready, "the server is ready")


def test_xgboost_trains_and_serves_in_its_own_processes(tmp_path: Path) -> None:
    layout = lay_out(tmp_path, hyperparameters=XGBOOST, channels={"train": ROWS})
    ended = run_train("xgboost", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("[2]\ttrain-auc:")
    csv = {"Content-Type": "text/csv"}
    with served("xgboost", layout.model, MAX_CONTENT_LENGTH="200000") as client:
        answer = client.post("/invocations", content="2,3\n1,1\n", headers=csv)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/csv"
        high, low = map(float, answer.text.split())
        assert high > low
        asked = {**csv, "Accept": "application/json"}
        many = client.post("/invocations", content="2,3\n" * 20_000, headers=asked)
        assert len(many.json()["predictions"]) == 20_000
        empty = client.post("/invocations", content="", headers=csv)
        assert (empty.status_code, empty.content) == (204, b"")
        large = client.post("/invocations", content="1,2\n" * 60_000, headers=csv)
        assert large.status_code == 413
        chunked = client.post(
            "/invocations", content=(b"1,2\n" * 1000 for _ in range(60)), headers=csv
        )
        assert chunked.status_code == 413
        unknown = client.post("/invocations", content="x", headers={"Content-Type": "image/png"})
        assert unknown.status_code == 415
        assert client.get("/invocations").status_code == 405
        assert client.get("/elsewhere").status_code == 404


def test_randomcutforest_trains_and_serves_in_its_own_processes(tmp_path: Path) -> None:
    layout = lay_out(
        tmp_path,
        hyperparameters={"feature_dim": "3", "num_trees": "50"},
        channels={"train": ROWS},
        content_type="text/csv;label_size=0",
    )
    ended = run_train("randomcutforest", tmp_path)
    assert ended.returncode == 0, ended.stderr
    with served("randomcutforest", layout.model) as client:
        instances = {"instances": [{"features": [1, 2, 3]}, {"features": [9, 9, 9]}]}
        normal, odd = client.post("/invocations", json=instances).json()["scores"]
        assert odd["score"] > normal["score"]


def test_a_fault_of_the_author_ends_training_with_code_one_and_a_reason(tmp_path: Path) -> None:
    lay_out(tmp_path, hyperparameters={}, channels={"train": ROWS})
    assert run_train("randomcutforest", tmp_path).returncode == 1
    reason = (tmp_path / "output" / "failure").read_text()
    assert reason == "Customer Error: Required hyperparameter 'feature_dim' is missing"
