"""A real SageMaker of ours with a real model, and the context of a small plant in Aurora."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from penstock_algorithms.registry import load_algorithm

from tests.integration.inference_worker.plant import Endpoint
from tests.integration.sagemaker.account import Account, new_name
from tests.integration.sagemaker.servers import Server
from tests.unit.penstock_algorithms.folders import lay_out, train

XGBOOST = "sagemaker-xgboost:3.0-5"


@pytest.fixture(scope="session")
def sagemaker(aws_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("sagemaker"), s3_url=aws_endpoint)
    server.start(stop_grace_seconds="2")
    yield server
    server.close()


@pytest.fixture(scope="session")
def account(sagemaker: Server) -> Iterator[Account]:
    account = Account(sagemaker_url=sagemaker.url, s3_url=sagemaker.s3_url)
    account.make_bucket()
    yield account
    account.close()


@pytest.fixture(scope="session")
def model_archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A model of two features, trained by our own program: hot and shaking pumps fail."""
    points = [(heat, shake) for heat in range(0, 100, 10) for shake in range(0, 100, 10)]
    rows = "\n".join(f"{int(heat + shake > 100)},{heat},{shake}" for heat, shake in points)
    layout = lay_out(
        tmp_path_factory.mktemp("train"),
        hyperparameters={"num_round": "5", "objective": "binary:logistic"},
        channels={"train": rows},
    )
    assert train("xgboost", layout) == 0
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for file in Path(layout.model).iterdir():
            tar.add(file, arcname=file.name)
    assert load_algorithm("xgboost").load(layout.model)
    return packed.getvalue()


@pytest.fixture(scope="session")
def endpoint(account: Account, sagemaker: Server, model_archive: bytes) -> Endpoint:
    """An endpoint in service with the variants v1 and v2."""
    models = {}
    for version in ("v1", "v2"):
        name = new_name("pump-failure")
        url = account.put(f"{name}/model.tar.gz", model_archive)
        account.sagemaker.create_model(
            ModelName=name, PrimaryContainer={"Image": XGBOOST, "ModelDataUrl": url}
        )
        models[version] = name
    return Endpoint(account.create_endpoint(account.create_config(models)), account, sagemaker)


@pytest.fixture
def runtime_environment(
    aws_environment: str, sagemaker: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standard variables, with SageMaker on an endpoint of its own."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", sagemaker.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", sagemaker.url)
