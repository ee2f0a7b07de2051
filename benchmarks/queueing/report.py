"""What was measured, as tables and as `benchmarks/out/queue.json`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from penstock_client.cost.prices import Prices

from benchmarks.queueing.billing import Bill
from benchmarks.queueing.measure import AS_THEY_COME, FULL, TOGETHER, Figures

OUT = Path(__file__).parents[1] / "out/queue.json"
UNITS, DOLLARS, UNDER_RIVAL = 1_200, 0.0006, 1_000
"""Promised per million readings, and how many times under one message per reading."""
GROWTH_CPU, GROWTH_UNITS = 1.3, 2.5
"""Promised from the fewest tags to the most."""


def tell_loads(
    loads: Mapping[tuple[float, float], Figures], rivals: Mapping[str, Bill], prices: Prices
) -> None:
    """Print a row per rate and linger, per million readings."""
    rival, *_ = rivals.values()
    print("| readings/s | linger, ms | packs | KiB each | publishes, receives, deletes | units "
          "| $ | under the rival, units | $ | as packs come | acks by ten "
          "| p50, ms | p99, ms |")  # fmt: skip
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for (rate, linger), one in loads.items():
        bill = one.bills[FULL]
        print(
            f"| {rate:,.0f} | {linger * 1e3:,.0f} | {one.packs:,.0f} | {one.pack_bytes / 1024:.1f} "
            f"| {bill.publishes:,.0f} + {bill.receives:,.0f} + {bill.deletes:,.0f} "
            f"| {bill.units:,.0f} | {bill.dollars(prices):.5f} "
            f"| {rival.units / bill.units:,.0f} × "
            f"| {rival.dollars(prices) / bill.dollars(prices):,.0f} × "
            f"| {one.bills[AS_THEY_COME].units:,.0f} | {one.bills[TOGETHER].units:,.0f} "
            f"| {one.p50 * 1e3:,.0f} | {one.p99 * 1e3:,.0f} |"
        )
    print("\n| rival | publishes, receives, deletes | units | $ |")
    print("|---|--:|--:|--:|")
    for name, bill in rivals.items():
        print(
            f"| {name} | {bill.publishes:,.0f} + {bill.receives:,.0f} + {bill.deletes:,.0f} "
            f"| {bill.units:,.0f} | {bill.dollars(prices):.3f} |"
        )


def tell_growth(growth: Mapping[int, Figures]) -> None:
    """Print a row per number of tags, with ratios to the first."""
    first, *_ = growth.values()
    cpu = "".join(f"| {what}, µs | to the first " for what in (*first.cpu, "all CPU"))
    print(f"\n| tags | bytes a reading | packs | units | to the first {cpu}|")
    print("|--:|--:|--:|--:|--:|" + "--:|--:|" * (len(first.cpu) + 1))
    for tags, one in growth.items():
        cells = "".join(
            f"| {spent:.2f} | {spent / base:.2f} "
            for spent, base in zip(_cpu(one), _cpu(first), strict=True)
        )
        units = one.bills[FULL].units
        print(
            f"| {tags:,} | {one.reading_bytes:.1f} | {one.packs:,.0f} | {units:,.0f} "
            f"| {units / first.bills[FULL].units:.2f} {cells}|"
        )


def promises(
    loads: Mapping[tuple[float, float], Figures], growth: Mapping[int, Figures],
    rival: Bill, prices: Prices,
) -> dict[str, tuple[float, float]]:  # fmt: skip
    """What was promised and what was measured, by name; of loads those at the highest rate."""
    fastest = max(rate for rate, _ in loads)
    told: dict[str, tuple[float, float]] = {}
    for (rate, linger), one in loads.items():
        if rate == fastest:
            at, bill = f"linger {linger * 1e3:g} ms", one.bills[FULL]
            told[f"{at}: units at most"] = (UNITS, bill.units)
            told[f"{at}: $ at most"] = (DOLLARS, bill.dollars(prices))
            ratio = rival.dollars(prices) / bill.dollars(prices)
            told[f"{at}: $ under the rival at least"] = (UNDER_RIVAL, ratio)
    first, last = growth[min(growth)], growth[max(growth)]
    units = last.bills[FULL].units / first.bills[FULL].units
    told["growth: units at most"] = (GROWTH_UNITS, units)
    told["growth: CPU at most"] = (GROWTH_CPU, _cpu(last)[-1] / _cpu(first)[-1])
    return told


def write(
    loads: Mapping[tuple[float, float], Figures], growth: Mapping[int, Figures],
    rivals: Mapping[str, Bill], told: Mapping[str, tuple[float, float]], options: object,
) -> None:  # fmt: skip
    """Write all of it for programs."""
    figures = {
        "load": options,
        "loads": [
            {"readings_per_second": rate, "linger_seconds": linger, **asdict(one)}
            for (rate, linger), one in loads.items()
        ],
        "rivals": {name: asdict(bill) for name, bill in rivals.items()},
        "growth": [{"tags": tags, **asdict(one)} for tags, one in growth.items()],
        "promises": {
            name: {"promised": promised, "measured": measured}
            for name, (promised, measured) in told.items()
        },
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=2) + "\n")


def _cpu(one: Figures) -> Sequence[float]:
    return [*one.cpu.values(), sum(one.cpu.values())]
