"""What a terminal shows: tables of items, and progress bars with the time left."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from penstock_client.http import Json

console = Console()
errors = Console(stderr=True)


def table(items: Iterable[Json], columns: Sequence[str], *, title: str = "") -> None:
    """Show the named fields of items; nested fields are written `a.b`."""
    shown = Table(title=title or None, header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    count = 0
    for item in items:
        shown.add_row(*(escape(_text(_field(item, column))) for column in columns))
        count += 1
    console.print(shown if count else "[dim]nothing here[/dim]")


def progress() -> Progress:
    """Make a bar with counts, elapsed time and time left; plain when not on a terminal."""
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )


def _field(item: Json, path: str) -> object:
    value: object = item
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:.4g}"
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)
