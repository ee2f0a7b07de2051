"""Templates for all tests of the infrastructure: each deployment is synthesized once a session."""

import pytest

from tests.infra.everything import make_everything
from tests.infra.synthesis import FULL, Synthesized, make_deployment, synthesize


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """The deployment `prod` of the repository."""
    return synthesize(make_deployment("prod"), tmp_path_factory.mktemp("prod"))


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """The deployment `dev` of the repository."""
    return synthesize(make_deployment("dev"), tmp_path_factory.mktemp("dev"))


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """The deployment `prod` with every switch on."""
    return synthesize(make_everything(), tmp_path_factory.mktemp("everything"), with_nag=True)


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """`prod` in an account's own network, with all that a deployment may bring of its own."""
    return synthesize(make_deployment("prod", **FULL), tmp_path_factory.mktemp("full"))
