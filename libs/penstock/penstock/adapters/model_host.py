"""Endpoints of SageMaker: one request per call, and errors told by their code."""

import io
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError

from penstock.adapters.aws import AWS_ERRORS, AwsClients, error_code, unavailable
from penstock.domain.errors import (
    EndpointUnavailable,
    InvalidInput,
    PenstockError,
    Throttled,
    UnknownEndpoint,
)
from penstock.ports import InvokeAnswer

if TYPE_CHECKING:
    from types_aiobotocore_sagemaker_runtime import SageMakerRuntimeClient

CONNECT_SECONDS = 2.0
READ_SECONDS = 70.0
"""A model may take 60 s; hanging up earlier would leave it working on what nobody waits for."""

_ERRORS: tuple[type[Exception], ...] = (*AWS_ERRORS, aiohttp.ClientError, TimeoutError)
"""An answer's body is read after the call returned: that may fail in aiohttp's own words."""

_LARGE = 1024 * 1024
"""From this many bytes on aiohttp wants a file: it writes plain bytes in one go, on the loop."""

_INVALID = frozenset({"ValidationError", "ValidationException"})
_TOO_MANY_REQUESTS = 429
_REQUEST_TIMEOUT = 408


class SageMakerHost:
    """Asks endpoints through the SageMaker runtime."""

    def __init__(self, client: "SageMakerRuntimeClient") -> None:
        """Keep a client that does not retry: whoever asks decides that."""
        self._client: Any = client

    async def invoke(
        self,
        endpoint: str,
        body: bytes,
        *,
        content_type: str,
        accept: str,
        variant: str | None = None,
        inference_id: str | None = None,
    ) -> InvokeAnswer:
        """Send one request; errors are those of the port."""
        request: dict[str, Any] = {
            "EndpointName": endpoint,
            "Body": io.BytesIO(body) if len(body) > _LARGE else body,
            "ContentType": content_type,
            "Accept": accept,
        }
        if variant is not None:
            request["TargetVariant"] = variant
        if inference_id is not None:
            request["InferenceId"] = inference_id
        try:
            answer = await self._client.invoke_endpoint(**request)
            async with answer["Body"] as stream:
                told = await stream.read()
        except _ERRORS as error:
            raise translated(error, endpoint) from error
        return InvokeAnswer(
            told, answer.get("ContentType", ""), answer.get("InvokedProductionVariant", "")
        )


async def open_model_host(
    clients: AwsClients, *, read_seconds: float = READ_SECONDS
) -> SageMakerHost:
    """Open the runtime's client; its endpoint comes from the standard AWS variables."""
    config = AioConfig(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=100,
        parameter_validation=False,
    )
    client = await clients.client("sagemaker-runtime", config=config)
    return SageMakerHost(cast("SageMakerRuntimeClient", client))


def translated(error: Exception, endpoint: str) -> PenstockError:
    """Family of an error of the runtime: its code tells, and for a model's own, its status."""
    code = error_code(error)
    if code == "ModelError" and isinstance(error, ClientError):
        return _model_error(error, endpoint)
    if code in _INVALID:
        # One code for both: what does not exist, and a request that is wrong or too large.
        is_unknown = "not found" in str(error).lower()
        return UnknownEndpoint(str(error)) if is_unknown else InvalidInput(str(error))
    told = unavailable(error, f"endpoint {endpoint}")
    return told if isinstance(told, Throttled) else EndpointUnavailable(str(told) or repr(error))


def _model_error(error: ClientError, endpoint: str) -> PenstockError:
    # Modelled members stand beside `Error` in the answer; a time-out has status 0.
    response: dict[str, Any] = dict(error.response)
    status = int(response.get("OriginalStatusCode") or 0)
    message = f"endpoint {endpoint} answered {status}: {response.get('OriginalMessage', '')}"
    if status == _TOO_MANY_REQUESTS:
        return Throttled(message)
    if 400 <= status < 500 and status != _REQUEST_TIMEOUT:
        return InvalidInput(message)
    return EndpointUnavailable(message)
