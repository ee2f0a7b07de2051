"""Errors of SageMaker's runtime, told by code: what is tried again, and what is not."""

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from penstock.adapters.model_host import translated
from penstock.domain.errors import (
    EndpointUnavailable,
    InvalidInput,
    PenstockError,
    Throttled,
    UnknownEndpoint,
)


def refusal(code: str, message: str | None = "", **members: object) -> ClientError:
    response = {"Error": {"Code": code, "Message": message}, **members}
    return ClientError(response, "InvokeEndpoint")  # type: ignore[arg-type]  # as on the wire


def by_model(status: int) -> ClientError:
    return refusal("ModelError", "x", OriginalStatusCode=status, OriginalMessage="expected 3")


@pytest.mark.parametrize(
    ("error", "family"),
    [
        (refusal("ThrottlingException", None), Throttled),  # HTTP 400 with a null message
        (refusal("ModelNotReadyException"), EndpointUnavailable),
        (refusal("ServiceUnavailable"), EndpointUnavailable),
        (refusal("InternalFailure"), EndpointUnavailable),
        (refusal("ValidationError", "Endpoint x of account 1 not found."), UnknownEndpoint),
        (refusal("ValidationError", "Variant v2 not found for endpoint x."), UnknownEndpoint),
        (refusal("ValidationError", "Body is too large"), InvalidInput),
        (by_model(400), InvalidInput),
        (by_model(415), InvalidInput),
        (by_model(429), Throttled),
        (by_model(408), EndpointUnavailable),
        (by_model(500), EndpointUnavailable),
        (by_model(0), EndpointUnavailable),  # the model took longer than 60 s
        (ConnectTimeoutError(endpoint_url="http://x"), EndpointUnavailable),
        (ReadTimeoutError(endpoint_url="http://x"), EndpointUnavailable),
        (TimeoutError(), EndpointUnavailable),
    ],
)
def test_an_error_is_told_by_its_code(error: Exception, family: type[PenstockError]) -> None:
    told = translated(error, "pump-failure")
    assert type(told) is family
    assert str(told)


def test_what_the_model_said_is_told_on() -> None:
    assert "expected 3" in str(translated(by_model(400), "pump-failure"))
