"""An estimate and the fits as rows, for a terminal, for a page, for a program."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from penstock_client.cost.estimate import Estimate
from penstock_client.cost.sizing import Fit
from penstock_client.cost.stores import warehouse_hours

TOTAL = "in all"
_FAST_LINGER = 0.05
_MUCH = 0.05
"""Share of the bill from which on a hint is worth its line."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text below their headings; all columns but the first are figures."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Write it as Markdown."""
        lines = [self.headings, ["---", *["--:"] * (len(self.headings) - 1)], *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def by_component(full: Estimate, idle: Estimate) -> Table:
    """Dollars of the month, of it what is paid when nothing is sent, and per million readings."""
    paid, paid_idle = full.usd_by_component, idle.usd_by_component
    rows = [
        [name, _usd(usd), _usd(paid_idle.get(name, 0.0)), _small(full.per_million_readings(usd))]
        for name, usd in paid.items()
    ]
    total = [TOTAL, _usd(full.usd), _usd(idle.usd), _small(full.per_million_readings(full.usd))]
    return Table(["component", "$ a month", "of it idle", "$ per M readings"], [*rows, total])


def by_line(found: Estimate) -> Table:
    """Every line of the bill with its quantity, its price, and how well that is known."""
    rows = [
        [
            line.usage.component,
            line.usage.what,
            _quantity(line.usage.quantity),
            line.price.name,
            line.price.status,
            _usd(line.usd),
        ]
        for line in found.lines
    ]
    total = [TOTAL, "", "", "", "", _usd(found.usd)]
    headings = ["component", "what", "quantity", "price", "known", "$ a month"]
    return Table(headings, [*rows, total])


def trust(found: Estimate) -> str:
    """Say how much of the bill rests on prices of which kind."""
    usd_by_status: dict[str, float] = {}
    for line in found.lines:
        usd_by_status[line.price.status] = usd_by_status.get(line.price.status, 0.0) + line.usd
    shares = [f"{usd / found.usd:.0%} {status}" for status, usd in sorted(usd_by_status.items())]
    return f"List prices of us-east-1: {', '.join(shares)}. prices.toml says where each is from."


def by_fit(fits: Sequence[Fit]) -> Table:
    """Whether the size of each command's tasks fits, and which would."""
    rows = [
        [
            fit.command,
            fit.verdict,
            f"{fit.tasks} × {_size(fit.cpu, fit.memory_mib)}",
            "" if fit.verdict == "fits" else _size(fit.better_cpu, fit.better_memory_mib),
            fit.reason,
        ]
        for fit in fits
    ]
    return Table(["command", "size", "tasks", "better", "of a task is used"], rows)


def hints(full: Estimate) -> list[str]:
    """What would cost less, in words, where it is much of the bill."""
    found = []
    deployment, usd = full.deployment, full.usd_by_component
    awake = warehouse_hours(deployment) / deployment.load.hours
    if awake > 0.9 and usd.get("Snowflake", 0.0) > _MUCH * full.usd:
        found.append(
            "Loads keep a Snowflake warehouse awake day and night: let them use one that analysts"
            " keep awake anyway (--snowflake-minutes), or leave the sink out and read the lake."
        )
    linger = deployment.setting("commit_linger_seconds")
    if linger < _FAST_LINGER and usd.get("messages", 0.0) > _MUCH * full.usd:
        found.append(
            f"Packs are small: INGEST_API_COMMIT__LINGER_SECONDS above {linger:g} makes fewer and"
            " fuller ones, for as much more latency (try --linger-seconds 0.25)."
        )
    found += [
        f"{name} wants {tasks.wanted} tasks and may have {tasks.command.most_tasks}: it would fall"
        " behind."
        for name, tasks in deployment.tasks.items()
        if tasks.is_short
    ]
    return found


def as_json(full: Estimate, idle: Estimate, fits: Sequence[Fit]) -> dict[str, Any]:
    """Everything, unrounded."""
    return {
        "load": _plain(asdict(full.deployment.load)),
        "tasks": {name: tasks.running for name, tasks in full.deployment.tasks.items()},
        "usd_per_month": full.usd,
        "usd_per_month_idle": idle.usd,
        "usd_per_million_readings": full.per_million_readings(full.usd),
        "components": {
            name: {
                "usd_per_month": usd,
                "usd_per_month_idle": idle.usd_by_component.get(name, 0.0),
                "usd_per_million_readings": full.per_million_readings(usd),
            }
            for name, usd in full.usd_by_component.items()
        },
        "lines": [
            {
                "component": line.usage.component,
                "what": line.usage.what,
                "quantity": line.usage.quantity,
                "price": asdict(line.price),
                "usd_per_month": line.usd,
            }
            for line in full.lines
        ],
        "sizes": [asdict(fit) for fit in fits],
        "hints": hints(full),
    }


def _plain(load: Mapping[str, Any]) -> dict[str, Any]:
    return {name: dict(v) if isinstance(v, Mapping) else v for name, v in load.items()}


def _size(cpu: int, memory_mib: int) -> str:
    return f"{cpu / 1024:g} vCPU, {memory_mib / 1024:g} GiB"


def _quantity(quantity: float) -> str:
    return f"{quantity:,.0f}" if quantity >= 100 else _small(quantity)


def _usd(usd: float) -> str:
    return f"{usd:,.2f}"


def _small(number: float | None) -> str:
    return "–" if number is None else f"{number:.3g}"
