"""What is used of something that has a price, in a month."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """`quantity` of the price's unit; `what` says to a person how much of what."""

    component: str
    what: str
    price: str
    quantity: float
