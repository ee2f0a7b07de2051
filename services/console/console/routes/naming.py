"""A body written under a name: the path names it, and the body may repeat the name."""

from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from penstock.domain.errors import InvalidInput
from pydantic import BaseModel, ValidationError

B = TypeVar("B", bound=BaseModel)


def check_name(kind: type[B], body: dict[str, Any], *, field: str, name: str) -> B:
    """Read a body whose `field` is the name in the path; raise InvalidInput where they differ."""
    if body.get(field, name) != name:
        raise InvalidInput(f"body.{field}: it is {body[field]!r}, but the path says {name!r}")
    try:
        return kind.model_validate({**body, field: name})
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from error
