"""A stack in containers, and a model trained in it while its training services are killed."""

import os
from collections.abc import Iterator

import pytest
from penstock_client.sdk import Penstock
from penstock_local.addresses import snowflake_connection
from penstock_local.checking.stores import Stores
from penstock_local.demo.steps import Stage
from penstock_local.environment import ADMIN_TOKEN

from tests.compose.containers import ComposeStack, forget_the_dead, run
from tests.compose.load import Arena
from tests.compose.training import Trained, train_under_kills
from tests.e2e.messages import Queues, aws_client


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all that lies here; without an engine none of it is run."""
    here = [item for item in items if "compose" in item.path.parts]
    answers = not here or _engine_answers()
    if not answers and os.environ.get("PENSTOCK_CONTAINERS_REQUIRED") == "1":
        pytest.exit("no container engine answers, and the containers must be checked", 1)
    for item in here:
        item.add_marker(pytest.mark.compose)
        if not answers:
            item.add_marker(pytest.mark.skip(reason="no container engine answers"))


def _engine_answers() -> bool:
    try:
        return run("info", seconds=60).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture(scope="session")
def compose_stack() -> Iterator[ComposeStack]:
    """The whole stack; `make images` has built what it runs."""
    forget_the_dead()
    stack = ComposeStack()
    try:
        try:
            stack.up()
        except AssertionError as error:
            error.add_note(stack.logs())
            raise
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def arena(compose_stack: ComposeStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """The stack with its doors open."""
    url = compose_stack.endpoint("front-door")
    stores = Stores(
        aurora_dsn=compose_stack.endpoint("postgres"),
        snowflake=snowflake_connection(compose_stack.ports["snowflake"]),
        aws_endpoint=compose_stack.endpoint("aws"),
    )
    queues = Queues(aws_client(compose_stack, "sqs"))
    with Penstock(url, ADMIN_TOKEN) as penstock:
        folder = tmp_path_factory.mktemp("compose")
        yield Arena(compose_stack, Stage(penstock, url, stores, folder), queues)


@pytest.fixture(scope="session")
def trained(arena: Arena) -> Trained:
    """A model in service, trained while everybody who takes part was killed once."""
    with arena.held_comes_back_soon():
        return train_under_kills(arena)
