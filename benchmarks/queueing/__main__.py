"""`make bench-queue`: what a million readings cost at SNS and SQS, and what more tags cost.

Bodies of 100 readings come to ingest-api at a fixed rate; its packs go through the adapters of
production to stand-ins that bill every call as AWS does, and through the consumers of both
subscribers. Rates are kept on a clock of our own CPU time (`loop.py`), prices are those of
`penstock cost`. The rival is one message per reading, of the same readings. Growth sends equally
many readings of ever more tags, in turns, round by round; its CPU figures are medians.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import structlog
from penstock.channels.readings import CHANNEL
from penstock.runtime.lifecycle import collect_seldom
from penstock_client.cost.prices import load_prices

from benchmarks.queueing import report
from benchmarks.queueing.billing import Bill, one_message_each
from benchmarks.queueing.load import Arrival, Plant
from benchmarks.queueing.measure import Figures, Load, figures

LINGERS = (0.01, 0.05, 0.25, 1.0)
FAST, SLOW = 90_000, 2_000
GROWTH = (1_000, 10_000, 100_000, 1_000_000)
GROWTH_LINGER = 0.25
TAGS = 10_000
"""Of the loads that do not grow."""
_OF_RIVAL = 1_000
"""Bodies whose readings the rival sends."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=1_000_000, help="at the high rate")
    parser.add_argument("--slow-readings", type=int, default=240_000, help="at the low rate")
    parser.add_argument("--growth-readings", type=int, default=400_000, help="of a round")
    parser.add_argument("--rounds", type=int, default=3, help="of growth")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    collect_seldom()  # as the commands do
    prices = load_prices()
    loads, rivals = _loads({FAST: options.readings, SLOW: options.slow_readings})
    report.tell_loads(loads, rivals, prices)
    growth = _growth(options.growth_readings, options.rounds)
    report.tell_growth(growth)
    told = report.promises(loads, growth, next(iter(rivals.values())), prices)
    print("\n| promise | promised | measured |\n|---|--:|--:|")
    for name, (promised, measured) in told.items():
        print(f"| {name} | {promised:,g} | {measured:,.4g} |")
    report.write(loads, growth, rivals, told, vars(options))


def _loads(
    readings_at: dict[int, int],
) -> tuple[dict[tuple[float, float], Figures], dict[str, Bill]]:
    plant = Plant(TAGS)
    loads: dict[tuple[float, float], Figures] = {}
    rivals: dict[str, Bill] = {}
    for rate, readings in readings_at.items():
        load = Load.of(plant, readings=readings, per_second=rate)
        rivals = rivals or _rivals(load.then[:_OF_RIVAL])
        for linger in LINGERS:
            loads[rate, linger] = figures(load, linger_seconds=linger)
    return loads, rivals


def _rivals(arrivals: Sequence[Arrival]) -> dict[str, Bill]:
    """Per million readings, the plain one first."""
    sizes = [len(message) for arrival in arrivals for message in _messages(arrival)]
    many = len(CHANNEL.queues)
    return {
        name: one_message_each(sizes, subscribers=many, published_by=n).per_million(len(sizes))
        for name, n in {"one message per reading": 1, "the same, published by ten": 10}.items()
    }


def _messages(arrival: Arrival) -> list[bytes]:
    return [
        json.dumps(
            {"gateway": arrival.gateway, "tag": tag, "value": event["v"], "quality": "good",
             "at": event["ts"] * 1_000}
        ).encode()
        for tag, events in json.loads(arrival.body).items()
        for event in events
    ]  # fmt: skip


def _growth(readings: int, rounds: int) -> dict[int, Figures]:
    measured: dict[int, list[Figures]] = {tags: [] for tags in GROWTH}
    for _ in range(rounds + 1):  # the first one warms up
        for tags, some in measured.items():
            load = Load.of(Plant(tags), readings=readings, per_second=FAST)
            some.append(figures(load, linger_seconds=GROWTH_LINGER, as_they_come=False))
    return {tags: _median(some[1:]) for tags, some in measured.items()}


def _median(some: Sequence[Figures]) -> Figures:
    """The first with the median CPU: what is counted differs by accidents of grouping alone."""
    cpu = {what: median(one.cpu[what] for one in some) for what in some[0].cpu}
    return replace(some[0], cpu=cpu)


if __name__ == "__main__":
    main()
