"""What the parts do now, for people: a table on a terminal, lines elsewhere."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from rich.console import Console, JustifyMethod
from rich.table import Table

from penstock_local.running import State
from penstock_local.stackfile import PartEntry

_COLOURS = {
    State.WAITING: "dim",
    State.STARTING: "yellow",
    State.READY: "green",
    State.DONE: "green",
    State.RESTARTING: "red",
    State.STOPPING: "yellow",
    State.STOPPED: "dim",
    State.FAILED: "bold red",
}


def table(entries: Iterable[PartEntry], *, title: str = "") -> Table:
    """Draw every part with where it is, what it does and where it writes."""
    drawn = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for heading in ("part", "state", "pid", "restarts", "endpoint", "log"):
        justify: JustifyMethod = "right" if heading in {"pid", "restarts"} else "left"
        drawn.add_column(heading, justify=justify, overflow="fold")
    for entry in entries:
        colour = _COLOURS[entry.state]
        state = entry.state + (f" ({entry.note})" if entry.note else "")
        drawn.add_row(
            entry.name,
            f"[{colour}]{state}[/]",
            str(entry.identity.pid) if entry.identity else "",
            str(entry.restarts) if entry.restarts else "",
            entry.endpoint,
            _short(entry.log),
        )
    return drawn


def console_of_ours() -> Console:
    """A console without rich's guesses at colours; wide where it is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=240)


def say(console: Console, entry: PartEntry) -> None:
    """Write one line of a change, where there is no terminal to draw a table on."""
    facts = [
        f"pid {entry.identity.pid}" if entry.identity else "",
        f"port {entry.port}" if entry.port else "",
        f"restarts {entry.restarts}" if entry.restarts else "",
        entry.note,
    ]
    words = " ".join(fact for fact in facts if fact)
    moment = datetime.now().astimezone().strftime("%H:%M:%S")
    console.print(f"{moment} {entry.name:22} {entry.state.value:10} {words}", markup=False)


def _short(path: str) -> str:
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
