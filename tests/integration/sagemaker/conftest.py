"""One local SageMaker for the session; tests of its death start servers of their own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.sagemaker.account import Account
from tests.integration.sagemaker.servers import Server


@pytest.fixture(scope="session")
def s3_url(aws_endpoint: str) -> str:
    account = Account(sagemaker_url=aws_endpoint, s3_url=aws_endpoint)
    account.make_bucket()
    account.close()
    return aws_endpoint


@pytest.fixture(scope="session")
def server(s3_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("sagemaker"), s3_url=s3_url)
    server.start(invocation_timeout_seconds="3", stop_grace_seconds="2")
    yield server
    server.close()


@pytest.fixture(scope="session")
def account(server: Server) -> Iterator[Account]:
    account = Account(sagemaker_url=server.url, s3_url=server.s3_url)
    yield account
    account.close()


StartServer = Callable[..., tuple[Server, Account]]


@pytest.fixture
def start_server(s3_url: str, tmp_path: Path) -> Iterator[StartServer]:
    """Start a server of the test's own, with its own clients."""
    with ExitStack() as stack:

        def start(*options: str, **settings: str) -> tuple[Server, Account]:
            server = Server(tmp_path, s3_url=s3_url, options=options)
            stack.callback(server.close)
            server.start(shutdown_grace_seconds="0.5", **settings)
            account = Account(sagemaker_url=server.url, s3_url=s3_url)
            stack.callback(account.close)
            return server, account

        yield start
