"""Check requests against botocore's service model.

botocore's own validator knows required members, types and minima, but not enums, maxima and
patterns; the model carries all of them, so this walk reads them. It is pure.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from penstock_local.sagemaker.patterns import compile_pattern
from penstock_local.sagemaker.wire import ServiceError

_NUMBERS = frozenset({"integer", "long", "float", "double"})


def require_valid(shape: Shape | None, value: object, *, code: str = "ValidationException") -> None:
    """Raise one error that names every fault of the request, or SerializationException."""
    if shape is None:
        return
    faults = list(find_faults(shape, value))
    if faults:
        noun = "error" if len(faults) == 1 else "errors"
        raise ServiceError(code, f"{len(faults)} validation {noun} detected: {'; '.join(faults)}")


def find_faults(shape: Shape, value: object, path: str = "") -> Iterator[str]:
    """Yield one sentence per broken constraint, with AWS's camelCase path to the member."""
    match shape:
        case StructureShape():
            yield from _structure(shape, value, path)
        case ListShape():
            yield from _list(shape, value, path)
        case MapShape():
            yield from _map(shape, value, path)
        case _ if shape.type_name == "string":
            yield from _string(shape, value, path)
        case _ if shape.type_name in _NUMBERS:
            yield from _number(shape, value, path)
        case _ if shape.type_name == "timestamp":
            _require_type(_is_number(value), shape, path)
        case _ if shape.type_name == "boolean":
            _require_type(isinstance(value, bool), shape, path)


def _structure(shape: StructureShape, value: object, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        raise _wrong_type(shape, path)
    for name in shape.required_members:
        if value.get(name) is None:
            yield _fault(None, _join(path, name), "Member must not be null")
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from find_faults(member, value[name], _join(path, name))


def _list(shape: ListShape, value: object, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        raise _wrong_type(shape, path)
    yield from _length(shape, value, path)
    for index, item in enumerate(value, start=1):
        yield from find_faults(shape.member, item, f"{path}.{index}.member")


def _map(shape: MapShape, value: object, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        raise _wrong_type(shape, path)
    yield from _length(shape, value, path)
    for key, item in value.items():
        yield from find_faults(shape.key, key, f"{path}.key")
        yield from find_faults(shape.value, item, f"{path}.value")


def _string(shape: Shape, value: object, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        raise _wrong_type(shape, path)
    limits = shape.metadata
    allowed = limits.get("enum")
    if allowed and value not in allowed:
        yield _fault(value, path, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
    faults = list(_length(shape, value, path))
    yield from faults
    pattern = limits.get("pattern")
    # A text of the wrong length is refused already; not matching it keeps odd patterns quick.
    if pattern and not faults and not _matches(pattern, value):
        yield _fault(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _number(shape: Shape, value: object, path: str) -> Iterator[str]:
    whole = shape.type_name in {"integer", "long"}
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_type(shape, path)
    if whole and isinstance(value, float) and not value.is_integer():
        raise _wrong_type(shape, path)
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if high is not None and value > high:
        yield _fault(value, path, f"Member must have value less than or equal to {high}")
    if low is not None and value < low:
        yield _fault(value, path, f"Member must have value greater than or equal to {low}")


def _length(shape: Shape, value: Any, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if high is not None and len(value) > high:
        yield _fault(value, path, f"Member must have length less than or equal to {high}")
    if low is not None and len(value) < low:
        yield _fault(value, path, f"Member must have length greater than or equal to {low}")


def _matches(pattern: str, value: str) -> bool:
    compiled = compile_pattern(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require_type(right: bool, shape: Shape, path: str) -> None:
    if not right:
        raise _wrong_type(shape, path)


def _wrong_type(shape: Shape, path: str) -> ServiceError:
    where = f" at '{path}'" if path else ""
    return ServiceError(
        "SerializationException", f"The value{where} is not of type {shape.type_name}."
    )


def _join(path: str, name: str) -> str:
    camel = name[:1].lower() + name[1:]
    return f"{path}.{camel}" if path else camel


def _fault(value: object, path: str, constraint: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"
