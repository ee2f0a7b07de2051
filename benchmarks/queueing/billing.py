"""What SNS and SQS bill: each request per begun 64 KiB of what it carries. All pure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice

from penstock.adapters.sqs import ENTRIES_PER_CALL
from penstock_client.cost.flows import BILLED_BYTES
from penstock_client.cost.prices import Prices

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Bill:
    """Billed units; `publishes` at SNS, the others at SQS, all subscribers together."""

    publishes: float = 0
    receives: float = 0
    deletes: float = 0

    @property
    def units(self) -> float:
        return self.publishes + self.receives + self.deletes

    def dollars(self, prices: Prices) -> float:
        at_sqs = prices["sqs-request"].of(self.receives + self.deletes)
        return prices["sns-publish"].of(self.publishes) + at_sqs

    def per_million(self, readings: int) -> "Bill":
        return Bill(*(units * MILLION / readings for units in asdict(self).values()))

    def __add__(self, other: "Bill") -> "Bill":
        return Bill(
            self.publishes + other.publishes,
            self.receives + other.receives,
            self.deletes + other.deletes,
        )


def units_of(size: int) -> int:
    """Units of one request that carries so many bytes; one that carries nothing is one."""
    return max(1, -(-size // BILLED_BYTES))


def published(sizes: Iterable[int]) -> int:
    """Units of publishing messages, each by itself: a batch call is billed no dearer than that."""
    return sum(map(units_of, sizes))


def received_full(sizes: Sequence[int], *, limit: int) -> int:
    """Units of receiving messages in order, each call as full as ten messages and `limit` allow."""
    units = taken = carried = 0
    for size in sizes:
        if taken and (taken == ENTRIES_PER_CALL or carried + size > limit):
            units += units_of(carried)
            taken = carried = 0
        taken += 1
        carried += size
    return units + (units_of(carried) if taken else 0)


def deleted_together(messages: int) -> int:
    """Units of deleting by full batch calls: what they carry is only receipts."""
    return -(-messages // ENTRIES_PER_CALL)


def one_message_each(sizes: Iterable[int], *, subscribers: int, published_by: int = 1) -> Bill:
    """The rival: a message per reading, received and deleted by full calls of ten.

    It publishes `published_by` messages a call, billed by what the call carries.
    """
    publishes = count = receives = 0
    left = iter(sizes)
    while batch := list(islice(left, ENTRIES_PER_CALL)):
        for start in range(0, len(batch), published_by):
            publishes += units_of(sum(batch[start : start + published_by]))
        receives += units_of(sum(batch))
        count += len(batch)
    return Bill(publishes, subscribers * receives, subscribers * deleted_together(count))
