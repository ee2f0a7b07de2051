"""How bodies refuse: a sentence of our own, also for what another release will bring.

Such fields are known by name, so that they are refused with what to do instead and not read as a
typing error.
"""

from typing import TypeVar

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

T = TypeVar("T")


def fault(message: str) -> PydanticCustomError:
    """Make the error of a validator, told as it stands."""
    return PydanticCustomError("fault", "{message}", {"message": message})


def not_yet(what: str, instead: str) -> BeforeValidator:
    """Refuse a field that this release does not support, saying what to do instead."""

    def refuse(value: T) -> T:
        if value in (None, "none", []):
            return value
        raise fault(f"{what} not supported yet; {instead}")

    return BeforeValidator(refuse)
