"""One load through the door and both subscribers: what it was billed, how long it took, CPU."""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles

from penstock.channel import SQS_LIMIT
from penstock.channels.readings import CHANNEL

from benchmarks.queueing import door, subscribers
from benchmarks.queueing.billing import (
    MILLION,
    Bill,
    deleted_together,
    received_full,
)
from benchmarks.queueing.broker import Sent
from benchmarks.queueing.load import READINGS, Arrival, Plant

AS_THEY_COME = "receives as packs come"
FULL = "full receives"
TOGETHER = "full receives, acks by ten"
"""What the packs would cost if acks travelled in batch calls; the other two are what is done."""
_SECONDS_BEFORE = 3


@dataclass(frozen=True, slots=True)
class Figures:
    """Bills and calls are per million readings, CPU is in microseconds per reading."""

    packs: float
    calls: float
    pack_bytes: float
    reading_bytes: float
    bills: Mapping[str, Bill]
    p50: float
    p99: float
    cpu: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Load:
    """What a plant sends: `first` is not counted, `then` is."""

    plant: Plant
    first: Sequence[Arrival]
    then: Sequence[Arrival]

    @classmethod
    def of(cls, plant: Plant, *, readings: int, per_second: float) -> "Load":
        """Let every tag come once before, and a few seconds pass."""
        before = max(plant.tags, round(_SECONDS_BEFORE * per_second))
        arrivals = plant.arrivals(readings=before + readings, per_second=per_second)
        count = readings // READINGS
        return cls(plant, arrivals[:-count], arrivals[-count:])


def figures(load: Load, *, linger_seconds: float, as_they_come: bool = True) -> Figures:
    """Measure; without `as_they_come` the queues hold all packs before anybody receives."""
    plant, readings = load.plant, len(load.then) * READINGS
    gc.collect()
    gc.freeze()  # bodies are nothing that the door has made
    sending = door.sending_cpu_seconds(load.then)
    answered = door.answered(plant, load.first, load.then, linger_seconds=linger_seconds)
    sent, publishes = answered.topic.sent, answered.topic.bill
    held = [Sent(0.0, one.body) for one in sent]
    sorted_, archived = _consumed(plant, held, readings)
    full = publishes + sorted_.bill + archived.bill
    bills = {FULL: full, TOGETHER: _together(publishes, [len(one.body) for one in sent])}
    if as_they_come:
        coming = _consumed(plant, sent, readings)
        bills[AS_THEY_COME] = publishes + coming[0].bill + coming[1].bill
    gc.unfreeze()
    size = sum(len(one.body) for one in sent)
    percentiles = quantiles(answered.latencies, n=100)
    seconds = {
        "door": answered.cpu_seconds - sending,
        "open and sort": sorted_.cpu_seconds,
        "archive": archived.cpu_seconds,
    }
    return Figures(
        packs=len(sent) * MILLION / readings,
        calls=answered.topic.calls * MILLION / readings,
        pack_bytes=size / len(sent),
        reading_bytes=size / readings,
        bills={name: bill.per_million(readings) for name, bill in bills.items()},
        p50=percentiles[49],
        p99=percentiles[98],
        cpu={what: spent * MILLION / readings for what, spent in seconds.items()},
    )


def _consumed(
    plant: Plant, sent: Sequence[Sent], readings: int
) -> tuple[subscribers.Consumed, subscribers.Consumed]:
    return subscribers.inference(plant, sent, readings=readings), subscribers.archive(sent)


def _together(publishes: Bill, sizes: list[int]) -> Bill:
    received = received_full(sizes, limit=SQS_LIMIT)
    one = Bill(receives=received, deletes=deleted_together(len(sizes)))
    return sum([one] * len(CHANNEL.queues), publishes)
