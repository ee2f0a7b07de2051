"""The control plane: one POST per operation, named by a header, checked against the model."""

import json
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response

from penstock_local.sagemaker.body import read_body
from penstock_local.sagemaker.operations.context import Context
from penstock_local.sagemaker.operations.table import OPERATIONS
from penstock_local.sagemaker.service_model import ServiceModels
from penstock_local.sagemaker.shapes import shape_output
from penstock_local.sagemaker.validation import require_valid
from penstock_local.sagemaker.wire import (
    TARGET_PREFIX,
    ServiceError,
    control_answer,
    control_error,
)

log = structlog.get_logger(__name__)

_MAX_BODY_BYTES = 4 * 1024 * 1024


class Control:
    """Finds the operation, checks its input, shapes its output."""

    def __init__(self, *, models: ServiceModels, context: Context) -> None:
        self._models = models
        self._context = context

    async def answer(self, request: Request) -> Response:
        """Answer `POST /`."""
        try:
            body = await read_body(request, _MAX_BODY_BYTES, code="ValidationException")
            name = _operation_name(request.headers.get("x-amz-target", ""))
            return control_answer(self._perform(name, _parse(body)))
        except ServiceError as error:
            return control_error(error)

    def _perform(self, name: str, value: object) -> Any:
        operation = self._models.control_operation(name)
        handler = OPERATIONS.get(name)
        if handler is None:
            raise ServiceError(
                "UnknownOperationException",
                f"{name} exists in SageMaker, but Penstock's local SageMaker has not got it.",
                status=501,
            )
        require_valid(operation.input_shape, value)
        # No await between a check and its write: every operation is atomic on the event loop.
        output = handler(self._context, _without_nulls(value))
        log.info("operation.performed", operation=name)
        return (
            None if operation.output_shape is None else shape_output(operation.output_shape, output)
        )


def _operation_name(target: str) -> str:
    prefix, _, name = target.partition(".")
    if prefix != TARGET_PREFIX or not name:
        raise ServiceError("UnknownOperationException", f"Unknown target: {target!r}.")
    return name


def _parse(body: bytes) -> object:
    try:
        return json.loads(body or b"{}")
    except ValueError as error:
        raise ServiceError("SerializationException", "The request body is not JSON.") from error


def _without_nulls(value: Any) -> Any:
    """A member that is null is a member that is absent."""
    match value:
        case dict():
            return {key: _without_nulls(item) for key, item in value.items() if item is not None}
        case list():
            return [_without_nulls(item) for item in value]
        case _:
            return value
