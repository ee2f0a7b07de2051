"""The wire: answers and errors of `sagemaker` (json 1.1) and `sagemaker-runtime` (rest-json)."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

CONTROL_MEDIA_TYPE = "application/x-amz-json-1.1"
RUNTIME_MEDIA_TYPE = "application/json"
TARGET_PREFIX = "SageMaker"


class ServiceError(Exception):
    """A refusal as the service words it: `members` are what the modelled error carries besides."""

    def __init__(
        self,
        code: str,
        message: str | None,
        *,
        status: int = 400,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
        self.members = dict(members or {})


def refuse(message: str) -> ServiceError:
    """What the control plane says to nearly every bad request, a missing resource included."""
    return ServiceError("ValidationException", message)


def not_simulated(what: str) -> ServiceError:
    """Honest refusal of input that AWS would accept: better than to pretend it had an effect."""
    return refuse(f"Penstock's local SageMaker does not simulate {what}.")


def control_answer(body: Mapping[str, Any] | None) -> Response:
    """Wrap an operation's output; operations without one answer an empty body, as AWS does."""
    content = b"" if body is None else json.dumps(body).encode()
    return Response(content, media_type=CONTROL_MEDIA_TYPE, headers=request_id_header())


def control_error(error: ServiceError) -> Response:
    """Body and header of a refused control-plane request."""
    body = {"__type": error.code, "message": error.message, **error.members}
    return _error(error, body, CONTROL_MEDIA_TYPE)


def runtime_error(error: ServiceError) -> Response:
    """Body and header of a refused invocation; its modelled errors spell it `Message`."""
    name = "message" if error.message is None else "Message"
    return _error(error, {name: error.message, **error.members}, RUNTIME_MEDIA_TYPE)


def request_id_header() -> dict[str, str]:
    """Every answer carries one: Step Functions stand-ins raise KeyError without it."""
    return {"x-amzn-RequestId": str(uuid.uuid4())}


def _error(error: ServiceError, body: Mapping[str, object], media_type: str) -> Response:
    headers = {"x-amzn-ErrorType": error.code, **request_id_header()}
    content = json.dumps(body).encode()
    return Response(content, status_code=error.status, media_type=media_type, headers=headers)
