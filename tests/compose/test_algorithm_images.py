"""Images of the algorithms, run as SageMaker does it: a command, and folders under /opt/ml."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from penstock_algorithms.contract import Layout

from tests.compose.containers import Container, docker, image_of, run
from tests.fixtures.waiting import wait_until
from tests.unit.penstock_algorithms.folders import lay_out

pytestmark = pytest.mark.timeout(180)

USERS = ("", "0:0")
"""The image's own, and root, which SageMaker's documentation asks for."""
XGBOOST = {"num_round": "3", "objective": "binary:logistic", "eval_metric": "auc"}
FOREST = {"feature_dim": "3", "num_trees": "50"}
ROWS = "1,2,3\n0,1,1\n" * 40
STOP_SECONDS = 15

each_user = pytest.mark.parametrize("user", USERS, ids=["its own user", "root"])


def _given_to_everybody(base: Path) -> None:
    """Let the container's user write, as the platform does for the one that it runs as."""
    for folder in ("model", "output/data", "checkpoints"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    for path in (base, *base.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o644)


def _as(user: str) -> list[str]:
    return ["--user", user] if user else []


def train(image: str, base: Path, *, user: str = "") -> subprocess.CompletedProcess[str]:
    """`docker run <image> train`, with no way out of the container but its files."""
    _given_to_everybody(base)
    return run(
        *("run", "--rm", "--read-only", "--network", "none", *_as(user)),
        *("--volume", f"{base}:/opt/ml", image_of(image), "train"),
        seconds=120,
    )


@contextmanager
def served(image: str, model: Path, *, user: str = "") -> Iterator[tuple[httpx.Client, Container]]:
    """`docker run <image> serve`, with the model mounted, on the port of the contract."""
    arguments = ("run", "--detach", "--read-only", "--publish", "127.0.0.1::8080", *_as(user))
    volume = ("--volume", f"{model}:/opt/ml/model:ro")
    container = Container(docker(*arguments, *volume, image_of(image), "serve").strip())
    try:
        address = docker("port", container.id, "8080").strip()
        with httpx.Client(base_url=f"http://{address}", trust_env=False) as client:
            wait_until(lambda: _pings(client), "/ping answers 200", every_seconds=0.2)
            yield client, container
    finally:
        docker("rm", "--force", container.id)


def _pings(client: httpx.Client) -> bool:
    try:
        return client.get("/ping").status_code == 200
    except httpx.TransportError:
        return False


def trained(base: Path, *, user: str) -> Layout:
    layout = lay_out(base, hyperparameters=XGBOOST, channels={"train": ROWS, "validation": ROWS})
    ended = train("algorithm-xgboost", base, user=user)
    assert ended.returncode == 0, ended.stderr
    # What the metric definitions of a job are matched against.
    assert "[2]\ttrain-auc:" in ended.stdout
    return layout


@each_user
def test_xgboost_trains_a_model_and_serves_it_until_sigterm(tmp_path: Path, user: str) -> None:
    layout = trained(tmp_path, user=user)
    assert [path.name for path in layout.model.iterdir()] == ["xgboost-model"]
    assert not layout.failure.exists()

    with served("algorithm-xgboost", layout.model, user=user) as (client, container):
        csv = {"Content-Type": "text/csv", "Accept": "application/json"}
        answer = client.post("/invocations", content="2,3\n1,1\n", headers=csv)
        high, low = (one["score"] for one in answer.raise_for_status().json()["predictions"])
        assert high > low

        docker("stop", "--time", str(STOP_SECONDS), container.id)
        # 0, or 143 for the signal itself; 137 were the engine's SIGKILL after its patience.
        assert container.state["ExitCode"] in (0, 143)


def test_randomcutforest_trains_a_model_and_serves_it(tmp_path: Path) -> None:
    layout = lay_out(
        tmp_path,
        hyperparameters=FOREST,
        channels={"train": ROWS},
        content_type="text/csv;label_size=0",
    )
    ended = train("algorithm-randomcutforest", tmp_path)
    assert ended.returncode == 0, ended.stderr

    with served("algorithm-randomcutforest", layout.model) as (client, _):
        instances = {"instances": [{"features": [1, 2, 3]}, {"features": [9, 9, 9]}]}
        normal, odd = (
            client.post("/invocations", json=instances).raise_for_status().json()["scores"]
        )
        assert odd["score"] > normal["score"]


@each_user
@pytest.mark.parametrize(
    ("image", "hyperparameters", "reason"),
    [
        ("algorithm-xgboost", {}, "Required hyperparameter 'num_round' is missing"),
        ("algorithm-xgboost", {**XGBOOST, "eta": "fast"}, "eta"),
        ("algorithm-randomcutforest", {}, "Required hyperparameter 'feature_dim' is missing"),
    ],
)
def test_a_bad_hyperparameter_ends_training_and_is_told_in_output_failure(
    tmp_path: Path, image: str, hyperparameters: dict[str, str], reason: str, user: str
) -> None:
    layout = lay_out(tmp_path, hyperparameters=hyperparameters, channels={"train": ROWS})

    ended = train(image, tmp_path, user=user)

    assert ended.returncode == 1
    assert layout.failure.read_text().startswith("Customer Error: ")
    assert reason in layout.failure.read_text()
    assert not list(layout.model.iterdir())


def test_one_image_holds_every_algorithm_and_the_environment_may_choose(tmp_path: Path) -> None:
    """SageMaker passes the environment of a job or a model on; so one repository is enough."""
    layout = lay_out(tmp_path, hyperparameters=FOREST, channels={"train": ROWS})
    config = layout.base / "input" / "config" / "inputdataconfig.json"
    config.write_text(json.dumps({"train": {"ContentType": "text/csv;label_size=0"}}))
    _given_to_everybody(tmp_path)

    docker(
        *("run", "--rm", "--network", "none", "--env", "PENSTOCK_ALGORITHM=randomcutforest"),
        *("--volume", f"{tmp_path}:/opt/ml", image_of("algorithm-xgboost"), "train"),
    )

    assert [path.name for path in layout.model.iterdir()] == ["forest.npz"]
