"""A SageMaker of our own beside the embedded AWS."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from penstock_local.environment import aws_variables
from penstock_local.ports import LOOPBACK

from tests.fixtures.stack import ask, serving, wait_for_server


@pytest.fixture(scope="session")
def sagemaker_url(aws_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a local SageMaker whose S3 is the embedded AWS."""
    folder: Path = tmp_path_factory.mktemp("training-sagemaker")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws_variables(aws_endpoint).items():
            patch.setenv(name, value)
        patch.setenv("PENSTOCK_SAGEMAKER_SHUTDOWN_GRACE_SECONDS", "0.5")
        with serving("penstock_local.sagemaker", folder) as (port, process):
            wait_for_server(process, folder, lambda: ask(port, "/_penstock/health"))
            yield f"http://{LOOPBACK}:{port}"


@pytest.fixture
def prefix(name_prefix: str, sagemaker_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A deployment of this test alone, its environment naming both servers."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", sagemaker_url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", sagemaker_url)
    return name_prefix
