"""Hyperparameters: the contract sends every value as a string; a frozen dataclass declares them.

@dataclass(frozen=True, kw_only=True)
class Settings:
    num_round: int = hyperparameter(low=1)              # no default: required
    penalty: float = hyperparameter(1.0, name="lambda")
"""

import dataclasses
import math
import types
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from penstock_algorithms.errors import CustomerError

S = TypeVar("S")

# The platform's own keys, which travel beside the author's.
PLATFORM_PREFIXES = ("_", "sagemaker_")


def hyperparameter(
    default: Any = dataclasses.MISSING,
    *,
    name: str | None = None,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare one field; without a default it is required. `low` and `high` are included."""
    bounds = {"name": name, "low": low, "high": high, "choices": choices}
    return dataclasses.field(default=default, metadata=bounds)


def wire_name(field: "dataclasses.Field[Any]") -> str:
    """Return the name on the wire, which may be a word that Python keeps for itself."""
    return field.metadata.get("name") or field.name


def parse_hyperparameters(settings: type[S], raw: Mapping[str, str]) -> S:
    """Read the strings into `settings`; every fault names the hyperparameter and what it may be."""
    fields = {wire_name(field): field for field in dataclasses.fields(settings)}  # type: ignore[arg-type]  # S is a dataclass
    for name in raw:
        if name not in fields and not name.startswith(PLATFORM_PREFIXES):
            known = ", ".join(sorted(fields))
            raise CustomerError(f"Extraneous hyperparameter found: '{name}'; known are {known}")
    hints = get_type_hints(settings)
    values = {}
    for name, field in fields.items():
        if name in raw:
            values[field.name] = _parse(name, field, _plain_type(hints[field.name]), raw[name])
        elif field.default is dataclasses.MISSING:
            raise CustomerError(f"Required hyperparameter '{name}' is missing")
    return settings(**values)


def _plain_type(hint: Any) -> type:
    if get_origin(hint) is types.UnionType:
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    return hint  # type: ignore[no-any-return]  # a class, once `| None` is off


def _parse(name: str, field: "dataclasses.Field[Any]", kind: type, raw: object) -> Any:
    # Some SDKs encode strings as JSON once more; others send numbers unquoted.
    text = str(raw).strip().strip('"')
    if kind is str:
        return _check_choice(name, text, field.metadata["choices"])
    try:
        value = kind(text)
    except ValueError:
        wanted = "an integer" if kind is int else "a number"
        raise CustomerError(f"Hyperparameter '{name}' must be {wanted}, not '{text}'") from None
    low, high = field.metadata["low"], field.metadata["high"]
    if not math.isfinite(value) or _outside(value, low, high):
        span = f"in [{'-inf' if low is None else low}, {'inf' if high is None else high}]"
        raise CustomerError(f"Hyperparameter '{name}' must be {span}, not {text}")
    return value


def _outside(value: float, low: float | None, high: float | None) -> bool:
    return (low is not None and value < low) or (high is not None and value > high)


def _check_choice(name: str, text: str, choices: tuple[str, ...]) -> str:
    if choices and text not in choices:
        allowed = ", ".join(choices)
        raise CustomerError(f"Hyperparameter '{name}' must be one of {allowed}, not '{text}'")
    return text
