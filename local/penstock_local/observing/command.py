"""`penstock-local trace`: one trace on the terminal."""

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import urlopen

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from penstock_local import stackfile
from penstock_local.observing.waterfall import time_label

_SHOWN_ROWS = 200
_PATIENCE_SECONDS = 10.0


def trace(
    text: Annotated[str, typer.Argument(help="trace id, request id, job id or pack id")],
    state_dir: Annotated[Path, typer.Option(help="where the stack keeps its state")] = Path(
        ".penstock"
    ),
) -> None:
    """Show the spans of one trace, by its id or by anything that one of them says."""
    console = Console(highlight=False)
    address = _address(state_dir)
    if address is None:
        console.print(
            f"nobody shows traces in {state_dir}: start with `penstock-local up --observe`"
        )
        raise typer.Exit(3)
    found = _find(address, text)
    if found is None:
        console.print(f"no trace is kept for {escape(text)}")
        raise typer.Exit(1)
    console.print(_drawn(found))
    console.print(f"{address}/traces/{found['trace_id']}", soft_wrap=True)


def _address(state_dir: Path) -> str | None:
    stack = stackfile.read(state_dir.resolve())
    parts = stack.parts if stack is not None else ()
    return next((part.endpoint for part in parts if part.name == "traces"), None)


def _find(address: str, text: str) -> dict[str, Any] | None:
    try:
        with urlopen(f"{address}/api/find?text={quote(text)}", timeout=_PATIENCE_SECONDS) as answer:  # noqa: S310  # our own part
            found: dict[str, Any] = json.load(answer)
    except HTTPError as error:
        error.close()
        return None
    except URLError as error:
        raise typer.BadParameter(f"{address} does not answer: {error.reason}") from error
    return found


def _drawn(found: dict[str, Any]) -> Table:
    title = f"{found['name']} · {time_label(found['duration_ms'])} · {found['trace_id']}"
    table = Table(title=escape(title), title_justify="left", box=None, pad_edge=False)
    for heading, justify in (("after", "right"), ("took", "right"), ("service", "left")):
        table.add_column(heading, justify=justify, style="dim" if heading == "after" else "")  # type: ignore[arg-type]  # one of rich's words
    table.add_column("span")
    for span in found["spans"][:_SHOWN_ROWS]:
        name = "  " * span["depth"] + span["name"]
        failed = f" [red]{escape(span['error'])}[/]" if span["error"] is not None else ""
        after = (span["started_at"] - found["started_at"]) / 1e6
        table.add_row(
            time_label(after), time_label(span["duration_ms"]), span["service"],
            escape(name) + failed,
        )  # fmt: skip
    return table
