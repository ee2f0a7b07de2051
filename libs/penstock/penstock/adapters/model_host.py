"""Deployed models behind SageMaker's runtime.

Errors are told apart by their code, not by their text, and never retried here: whoever asks holds
the budget.
"""

from typing import Any

from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from penstock.adapters.aws import client_config, error_code
from penstock.domain.errors import EndpointUnavailable, InvalidInput, Throttled, UnknownEndpoint
from penstock.ports import InvokeAnswer

_READ_TIMEOUT_SECONDS = 70.0
"""A model may take 60 s: shorter, and it would go on working on requests that nobody awaits."""

_THROTTLES = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException"})
_REFUSALS = range(400, 500)


def runtime_config(*, pool: int = 100) -> AioConfig:
    """Client configuration of the runtime: patient, and without retries of its own."""
    config = client_config(read_timeout_seconds=_READ_TIMEOUT_SECONDS, pool=pool)
    return config.merge(AioConfig(retries={"mode": "standard", "total_max_attempts": 1}))


class SageMakerModelHost:
    """Endpoints by their names in SageMaker."""

    def __init__(self, client: Any) -> None:
        """Keep a client of `sagemaker-runtime`, made with `runtime_config`."""
        self._client = client

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
        """Send one request; see `ports.ModelHost` for what is raised."""
        request: dict[str, Any] = {
            "EndpointName": endpoint, "Body": body, "ContentType": content_type, "Accept": accept,
        }  # fmt: skip
        if variant is not None:
            request["TargetVariant"] = variant
        if inference_id is not None:
            request["InferenceId"] = inference_id
        try:
            answer = await self._client.invoke_endpoint(**request)
            async with answer["Body"] as stream:
                content = await stream.read()
        except ClientError as error:
            raise _translated(error, endpoint) from error
        except BotoCoreError as error:
            raise EndpointUnavailable(f"endpoint {endpoint}: {error}") from error
        return InvokeAnswer(
            content, answer.get("ContentType", ""), answer.get("InvokedProductionVariant", "")
        )


def _translated(error: ClientError, endpoint: str) -> Exception:
    code = error_code(error)
    if code in _THROTTLES:
        return Throttled(f"endpoint {endpoint}: {code}")
    if code in {"ValidationError", "ValidationException"}:
        return UnknownEndpoint(f"endpoint {endpoint}: {error}")
    if code == "ModelError":
        original = error.response.get("OriginalStatusCode", 500)
        message = error.response.get("OriginalMessage", "")
        if original in _REFUSALS:
            return InvalidInput(f"the model refused with {original}: {message}")
    return EndpointUnavailable(f"endpoint {endpoint}: {error}")
