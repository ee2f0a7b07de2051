"""InvokeEndpoint: choose a variant, pass the request on, translate what comes back."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from botocore.model import StructureShape
from starlette.requests import Request
from starlette.responses import Response

from penstock_local.sagemaker.body import read_body
from penstock_local.sagemaker.faults import Faults
from penstock_local.sagemaker.fleet import Fleet
from penstock_local.sagemaker.hosting import Hosting
from penstock_local.sagemaker.names import Arns
from penstock_local.sagemaker.records import Endpoint, EndpointStatus
from penstock_local.sagemaker.store import Table
from penstock_local.sagemaker.tools import Tools
from penstock_local.sagemaker.validation import require_valid
from penstock_local.sagemaker.variant import Variant
from penstock_local.sagemaker.wire import ServiceError, request_id_header, runtime_error

_INVALID = "ValidationError"  # the runtime's name for the control plane's ValidationException
_MAX_MESSAGE = 2048
_PASSED_ON = (
    "content-type",
    "accept",
    "x-amzn-sagemaker-custom-attributes",
    "x-amzn-sagemaker-inference-id",
    "x-amzn-sagemaker-session-id",
)
_CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_NOT_SIMULATED = frozenset(
    {"TargetModel", "TargetContainerHostname", "InferenceComponentName", "EnableExplanations"}
)
_TARGET_VARIANT = "X-Amzn-SageMaker-Target-Variant"
_TIMED_OUT = b"Your invocation timed out while waiting for a response from the container."
_COMING_BACK = {EndpointStatus.CREATING, EndpointStatus.UPDATING}
_GARBAGE = b"\x00\xffgarbage\xfe{]" * 4


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What the container said."""

    status: int
    body: bytes
    content_type: str
    custom_attributes: str | None


class Runtime:
    """The hot path: it reads only memory."""

    def __init__(
        self,
        *,
        hosting: Hosting,
        endpoints: Table[Endpoint],
        faults: Faults,
        tools: Tools,
        shape: StructureShape,
        arns: Arns,
    ) -> None:
        self._hosting = hosting
        self._endpoints = endpoints
        self._faults = faults
        self._http = tools.http
        self._settings = tools.settings
        self._shape = shape
        self._arns = arns
        self._random = random.Random(tools.settings.seed)  # noqa: S311  traffic shares, no secrets

    async def invoke(self, request: Request) -> Response:
        """Answer `POST /endpoints/{name}/invocations`."""
        name = request.path_params["name"]
        try:
            body = await read_body(request, self._settings.max_body_bytes, code=_INVALID)
            members = self._members(request, name, body)
            require_valid(self._shape, members, code=_INVALID)
            _require_simulated(members)
            return await self._answer(request, name, body)
        except ServiceError as error:
            return runtime_error(error)

    def _members(self, request: Request, name: str, body: bytes) -> dict[str, Any]:
        """The request as the model sees it, so that headers are held to their patterns."""
        members: dict[str, Any] = {"EndpointName": name, "Body": body}
        for member, shape in self._shape.members.items():
            if shape.serialization.get("location") == "header":
                value = request.headers.get(shape.serialization["name"])
                if value is not None:
                    members[member] = value
        return members

    async def _answer(self, request: Request, name: str, body: bytes) -> Response:
        fleet = self._fleet(name)
        delay = self._suffer(name)
        variant = self._variant(fleet, name, request.headers.get(_TARGET_VARIANT))
        if self._faults.take("garbage", name):
            return _respond(ModelAnswer(200, _GARBAGE, "application/json", None), variant.name)
        with variant.carrying():
            answer = await self._ask(variant, request, body, delay)
        if not 200 <= answer.status < 300:
            raise model_error(answer, log_stream=self._arns.log_stream(name))
        return _respond(answer, variant.name)

    def _fleet(self, name: str) -> Fleet:
        fleet = self._hosting.fleet_of(name)
        if fleet is not None:
            return fleet
        endpoint = self._endpoints.get(name)
        if endpoint is not None and endpoint.current and endpoint.status in _COMING_BACK:
            raise _unavailable(f"Endpoint {name} is coming back after a restart of the server.")
        # AWS too says this of an endpoint that is still being created for the first time.
        raise ServiceError(_INVALID, f"Endpoint {name} of account {self._arns.account} not found.")

    def _suffer(self, name: str) -> float:
        """Raise the fault that somebody asked for; return how much slower the answer shall be."""
        if self._faults.take("throttle", name):
            raise ServiceError("ThrottlingException", None)
        if self._faults.take("cold_start", name):
            raise ServiceError("ModelNotReadyException", "Model is loading.", status=429)
        if self._faults.take("server_error", name):
            raise ServiceError("InternalFailure", "Fault on demand.", status=500)
        slow = self._faults.take("slow", name)
        return slow.delay_seconds if slow else 0.0

    def _variant(self, fleet: Fleet, name: str, target: str | None) -> Variant:
        if target is None:
            return fleet.choose(self._random.random())
        if target not in fleet.variants:
            raise ServiceError(_INVALID, f"Variant {target} not found for endpoint {name}.")
        return fleet.variants[target]

    async def _ask(
        self, variant: Variant, request: Request, body: bytes, delay: float
    ) -> ModelAnswer:
        base = variant.url
        if base is None:
            raise _unavailable(f"Variant {variant.name} has no container that is ready.")
        headers = {key: request.headers[key] for key in _PASSED_ON if key in request.headers}
        try:
            async with asyncio.timeout(self._settings.invocation_timeout_seconds):
                await asyncio.sleep(delay)
                async with self._http.post(
                    f"{base}/invocations", data=body, headers=headers
                ) as answer:
                    return await self._read(answer)
        except TimeoutError:
            return ModelAnswer(0, _TIMED_OUT, "text/plain", None)
        except aiohttp.ClientError as error:
            raise _unavailable(f"Variant {variant.name} did not answer: {error}") from error

    async def _read(self, answer: aiohttp.ClientResponse) -> ModelAnswer:
        limit = self._settings.max_answer_bytes
        parts: list[bytes] = []
        size = 0
        async for part in answer.content.iter_any():
            size += len(part)
            if size > limit:
                text = f"The answer has more than {limit} bytes."
                return ModelAnswer(0, text.encode(), "text/plain", None)
            parts.append(part)
        content_type = answer.headers.get("Content-Type", "application/octet-stream")
        attributes = answer.headers.get(_CUSTOM_ATTRIBUTES)
        return ModelAnswer(answer.status, b"".join(parts), content_type, attributes)


def _require_simulated(members: Mapping[str, Any]) -> None:
    if asked := _NOT_SIMULATED & members.keys():
        raise ServiceError(
            _INVALID, f"Penstock's local SageMaker does not simulate {', '.join(sorted(asked))}."
        )


def model_error(answer: ModelAnswer, *, log_stream: str) -> ServiceError:
    """Wrap what the model refused; a time-out comes as a server error with status 0."""
    text = answer.body[:_MAX_MESSAGE].decode(errors="replace")
    side = "client" if 400 <= answer.status < 500 else "server"
    return ServiceError(
        "ModelError",
        f'Received {side} error ({answer.status}) from primary with message "{text}"',
        status=424,
        members={
            "OriginalStatusCode": answer.status,
            "OriginalMessage": text,
            "LogStreamArn": log_stream,
        },
    )


def _respond(answer: ModelAnswer, variant: str) -> Response:
    headers = {
        "Content-Type": answer.content_type,
        "x-Amzn-Invoked-Production-Variant": variant,
        **request_id_header(),
    }
    if answer.custom_attributes is not None:
        headers[_CUSTOM_ATTRIBUTES] = answer.custom_attributes
    return Response(answer.body, headers=headers)


def _unavailable(message: str) -> ServiceError:
    return ServiceError("ServiceUnavailable", message, status=503)
