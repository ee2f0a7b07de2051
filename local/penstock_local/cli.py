"""Command line of the embedded stack."""

import asyncio
import enum
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from penstock_local import stackfile, status
from penstock_local.identity import end_all
from penstock_local.lazy_commands import LazyCommands
from penstock_local.lock import AlreadyRunning, only_supervisor
from penstock_local.ports import DEFAULT_PORTS, PortTaken, free_ports
from penstock_local.up import Display, build_supervisor, end_leftovers, keep_up

# As for init scripts: the program is not running.
_NOT_RUNNING = 3
_STOP_SECONDS = 120.0

app = typer.Typer(cls=LazyCommands, no_args_is_help=True, add_completion=False, help=__doc__)
StateDir = Annotated[Path, typer.Option(help="where the stack keeps its state and its logs")]
DEFAULT_STATE_DIR = Path(".penstock")


class PortChoice(enum.StrEnum):
    """The ports that people learn, or any free ones."""

    DEFAULT = "default"
    FREE = "free"


@app.command()
def up(
    state_dir: StateDir = DEFAULT_STATE_DIR,
    ports: Annotated[
        PortChoice, typer.Option(help="fixed ports or free ones")
    ] = PortChoice.DEFAULT,
    port: Annotated[
        list[str] | None, typer.Option(metavar="PART=N", help="another port for one part")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="PART", help="only this part and what it needs")
    ] = None,
    observe: Annotated[
        bool, typer.Option("--observe", help="record traces, and show them and the metrics")
    ] = False,
) -> None:
    """Start the embedded stack and keep it running until Ctrl-C."""
    console = status.console_of_ours()
    display = Display(console)
    try:
        chosen = _ports(ports, port or [])
        with only_supervisor(state_dir.resolve()):
            end_leftovers(state_dir.resolve(), console)
            supervisor = build_supervisor(
                state_dir.resolve(), chosen, only or [], display, observe=observe
            )
            code = asyncio.run(keep_up(supervisor, display))
    except (AlreadyRunning, PortTaken, ValueError) as error:
        display.say(str(error), style="red")
        raise typer.Exit(1) from error
    raise typer.Exit(code)


@app.command()
def down(state_dir: StateDir = DEFAULT_STATE_DIR) -> None:
    """Stop a running embedded stack, and what a killed one left behind."""
    console = status.console_of_ours()
    found = stackfile.read(state_dir.resolve())
    if found is None:
        console.print(f"no stack runs in {state_dir}")
        return
    if found.supervisor.process is not None:
        end_all([found.supervisor], patience_seconds=_STOP_SECONDS)
        console.print("stopped")
        return
    count = end_all(found.processes)
    (state_dir / stackfile.NAME).unlink(missing_ok=True)
    console.print(f"the supervisor was killed before; ended {count} processes that it had left")


@app.command("status")
def show_status(
    state_dir: StateDir = DEFAULT_STATE_DIR,
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Show every part: its state, pid, restarts, address and log. Exit 0 only if all are ready."""
    console = status.console_of_ours()
    found = stackfile.read(state_dir.resolve())
    is_running = found is not None and found.supervisor.process is not None
    if found is None or not is_running:
        left = [each for each in found.processes if each.process] if found else []
        hint = f"; {len(left)} processes are left over: penstock-local down" if left else ""
        console.print(f"no stack runs in {state_dir}{hint}")
        raise typer.Exit(_NOT_RUNNING)
    if as_json:
        sys.stdout.write(json.dumps(stackfile.to_json(found), indent=2) + "\n")
    else:
        console.print(status.table(found.parts, title=f"supervisor pid {found.supervisor.pid}"))
    raise typer.Exit(0 if found.is_ready else 1)


@app.command()
def migrate(state_dir: StateDir = DEFAULT_STATE_DIR) -> None:
    """Bring the embedded Aurora to the newest schema; the stack has to run."""
    found = stackfile.read(state_dir.resolve())
    if found is None:
        status.console_of_ours().print(
            f"no stack runs in {state_dir}: start it with `penstock-local up`"
        )
        raise typer.Exit(_NOT_RUNNING)
    command = [sys.executable, "-m", "penstock_local.bootstrap", "--only-migrate"]
    environment = {**os.environ, **found.environment}
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)  # noqa: S603 - our own command


def _ports(choice: PortChoice, single: list[str]) -> dict[str, int]:
    ports = dict(DEFAULT_PORTS) if choice is PortChoice.DEFAULT else free_ports(DEFAULT_PORTS)
    for assignment in single:
        name, _, number = assignment.partition("=")
        if name not in ports or not number.isdigit():
            raise ValueError(f"--port takes PART=N with PART one of {', '.join(ports)}")
        ports[name] = int(number)
    return ports
