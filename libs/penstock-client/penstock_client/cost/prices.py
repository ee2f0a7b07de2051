"""The list prices that an estimate reckons with, each with where it comes from."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast

Status = Literal["verified", "second-hand", "unverified"]
_STATUSES = frozenset({"verified", "second-hand", "unverified"})


@dataclass(frozen=True, slots=True)
class Price:
    """`usd` for `per` units; `regional` ones differ from region to region."""

    name: str
    usd: float
    per: int
    unit: str
    status: Status
    source: str
    as_of: str
    regional: bool

    def of(self, quantity: float, *, region_multiplier: float = 1.0) -> float:
        """Dollars for a quantity."""
        return quantity * self.usd / self.per * (region_multiplier if self.regional else 1.0)


Prices = Mapping[str, Price]


def load_prices(path: Path | None = None) -> Prices:
    """Read the list, or another in its form; raise ValueError naming the price that is wrong."""
    resource = path or files(__package__) / "prices.toml"
    try:
        document = tomllib.loads(resource.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{resource} is not TOML: {error}") from error
    return {name: _price(name, row) for name, row in document.items() if isinstance(row, dict)}


def _price(name: str, row: dict[str, Any]) -> Price:
    try:
        price = Price(
            name=name,
            usd=float(row["usd"]),
            per=int(row.get("per", 1)),
            unit=str(row["unit"]),
            status=cast("Status", row["status"]),
            source=str(row["source"]),
            as_of=str(row["as_of"]),
            regional=bool(row.get("regional", True)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"price {name}: {error!r}") from error
    if price.usd < 0 or price.per < 1 or price.status not in _STATUSES:
        raise ValueError(f"price {name}: dollars, `per` or status are out of range")
    return price
