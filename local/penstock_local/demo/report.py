"""The table at the end of a demonstration, and where to look."""

from collections.abc import Mapping
from dataclasses import dataclass

from penstock_client.gateway import SendTotals
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from penstock_local.demo.scenario import Json, Scenario
from penstock_local.demo.steps import Outcome


@dataclass(frozen=True, slots=True)
class Figures:
    """All that the table shows."""

    job: Json
    training_seconds: float | None
    totals: SendTotals
    sent: int
    seconds_to_aurora: tuple[float, float] | None
    score: float | None
    outcome: Outcome


def show(console: Console, scenario: Scenario, figures: Figures) -> None:
    """Print the table; what is wrong is red and names an example."""
    table = Table(title=f"Penstock on {scenario.name}", show_header=False, title_style="bold")
    table.add_column(style="bold")
    table.add_column()
    for name, value in _rows(scenario, figures):
        table.add_row(name, value)
    console.print(table)
    for finding in figures.outcome.findings:
        if not finding.is_right:
            console.print(f"[red]wrong[/red] {escape(str(finding))}", highlight=False)


def _rows(scenario: Scenario, figures: Figures) -> list[tuple[str, str]]:
    totals = figures.totals
    slices = figures.job.get("slices") or {}
    latency = figures.seconds_to_aurora
    reasons = ", ".join(f"{n} {why}" for why, n in totals.rejected_by_reason.items())
    rows = [
        ("model", f"{scenario.model}, {figures.job.get('result', '?')}"),
        ("training", _seconds(figures.training_seconds) + _slices(slices)),
        ("readings sent", f"{figures.sent:,} in {totals.requests:,} requests"),
        ("accepted", f"{totals.accepted:,}"),
        ("rejected", f"{totals.rejected:,}" + (f" ({reasons})" if reasons else "")),
        ("frames", f"{len(figures.outcome.expected):,}"),
    ]
    rows += [(f"in {f.store}", _judged(f.rows, f.is_right)) for f in figures.outcome.findings]
    if latency:
        rows.append(("POST to Aurora row", f"p50 {latency[0]:.3f} s, p99 {latency[1]:.3f} s"))
    score = "only one class came" if figures.score is None else f"{figures.score:.3f}"
    rows.append(("ROC-AUC of the rows in Aurora", score))
    return rows


def show_addresses(console: Console, addresses: Mapping[str, str]) -> None:
    """Print where to look."""
    console.print("[bold]Where to look[/bold]")
    for name, address in addresses.items():
        console.print(f"  {name:<18}{address}", highlight=False, soft_wrap=True)


def _seconds(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds:.1f} s"


def _slices(slices: Json) -> str:
    return f", {slices['done']} slices" if slices.get("done") else ""


def _judged(rows: int, is_right: bool) -> str:
    return f"{rows:,} " + ("[green]each once[/green]" if is_right else "[red]wrong[/red]")
