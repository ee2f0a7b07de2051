"""The port ModelHost over the real wire protocol: answers, variants, and each kind of trouble."""

from collections.abc import AsyncIterator, Iterator

import pytest
from penstock.adapters.aws import aws_clients
from penstock.adapters.model_host import SageMakerHost, open_model_host
from penstock.domain.errors import (
    EndpointUnavailable,
    InvalidInput,
    PenstockError,
    Throttled,
    UnknownEndpoint,
)
from penstock.model_types.xgboost import MODEL_TYPE as XGBOOST
from penstock.ports import InvokeAnswer
from penstock_local.environment import REGION

from tests.integration.inference_worker.plant import Endpoint

ROWS = [[90.0, 90.0], [10.0, 10.0], [50.0, 10.0]]


@pytest.fixture
async def host(runtime_environment: None) -> AsyncIterator[SageMakerHost]:
    async with aws_clients(REGION) as clients:
        yield await open_model_host(clients)


@pytest.fixture(autouse=True)
def no_faults_left(endpoint: Endpoint) -> Iterator[None]:
    yield
    endpoint.clear_faults()


async def ask(host: SageMakerHost, endpoint: str, variant: str | None = None) -> InvokeAnswer:
    return await host.invoke(
        endpoint,
        XGBOOST.encode(ROWS),
        content_type=XGBOOST.content_type,
        accept=XGBOOST.accept,
        variant=variant,
        inference_id="0123456789abcdef",
    )


async def test_the_model_is_asked_and_its_variant_told(
    host: SageMakerHost, endpoint: Endpoint
) -> None:
    answer = await ask(host, endpoint.name, "v2")
    assert answer.variant == "v2"
    told = [one.probability for one in XGBOOST.decode(answer.body, len(ROWS))]
    assert told == endpoint.scores(ROWS)
    assert (await ask(host, endpoint.name)).variant in {"v1", "v2"}


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        ("throttle", Throttled),
        ("cold_start", EndpointUnavailable),
        ("server_error", EndpointUnavailable),
    ],
)
async def test_trouble_of_the_platform_is_worth_another_try(
    host: SageMakerHost, endpoint: Endpoint, kind: str, family: type[PenstockError]
) -> None:
    endpoint.put_faults({"kind": kind, "count": 1})
    with pytest.raises(family):
        await ask(host, endpoint.name)
    await ask(host, endpoint.name)


async def test_an_answer_that_comes_too_late_is_unavailable_and_asked_for_once(
    host: SageMakerHost, endpoint: Endpoint
) -> None:
    endpoint.put_faults({"kind": "slow", "count": 1, "delay_seconds": 3.0})
    async with aws_clients(REGION) as clients:
        hasty = await open_model_host(clients, read_seconds=1.0)
        with pytest.raises(EndpointUnavailable):
            await ask(hasty, endpoint.name)
    await ask(host, endpoint.name)


async def test_what_does_not_exist_is_unknown_by_name(
    host: SageMakerHost, endpoint: Endpoint
) -> None:
    with pytest.raises(UnknownEndpoint, match="no-such-endpoint"):
        await ask(host, "no-such-endpoint")
    with pytest.raises(UnknownEndpoint, match="v9"):
        await ask(host, endpoint.name, "v9")


async def test_a_row_that_the_model_refuses_is_invalid_and_not_retried(
    host: SageMakerHost, endpoint: Endpoint
) -> None:
    with pytest.raises(InvalidInput, match="400"):
        await host.invoke(endpoint.name, b"1", content_type="text/csv", accept="application/json")


async def test_a_body_over_the_limit_is_invalid_so_that_it_is_split(
    host: SageMakerHost, endpoint: Endpoint
) -> None:
    with pytest.raises(InvalidInput):
        await host.invoke(
            endpoint.name, b"1," * 4_000_000, content_type="text/csv", accept="application/json"
        )


async def test_a_runtime_that_is_gone_is_unavailable(
    aws_environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "http://127.0.0.1:9")
    async with aws_clients(REGION) as clients:
        host = await open_model_host(clients)
        with pytest.raises(EndpointUnavailable):
            await ask(host, "pump-failure")
