"""Brings a stack up and keeps it up: what `penstock-local up` does."""

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.live import Live

from penstock_local import stackfile, status
from penstock_local.addresses import on_loopback
from penstock_local.environment import sources_on_loopback, stack_variables
from penstock_local.identity import end_all
from penstock_local.part import with_dependencies
from penstock_local.parts import all_parts
from penstock_local.ports import require_free
from penstock_local.running import PartFailed, RunningPart
from penstock_local.supervisor import Supervisor


def end_leftovers(state_dir: Path, console: Console) -> None:
    """End what a killed supervisor left behind; call it as the only supervisor."""
    found = stackfile.read(state_dir)
    if found is None:
        return
    count = end_all(found.processes)
    if count:
        console.print(f"ended {count} processes of a stack whose supervisor was killed")
    (state_dir / stackfile.NAME).unlink(missing_ok=True)


def build_supervisor(
    state_dir: Path,
    ports: Mapping[str, int],
    only: Sequence[str],
    display: "Display",
    *,
    observe: bool = False,
) -> Supervisor:
    """Choose the parts and check that their ports are free; start nothing."""
    parts = all_parts(state_dir, ports, os.environ, observe=observe)
    if only:
        parts = with_dependencies(parts, only)
    require_free({part.name: part.port for part in parts if part.port is not None})
    environment = stack_variables(on_loopback(ports)) | sources_on_loopback()
    return Supervisor(
        parts, state_dir=state_dir, environment=environment, on_change=display.changed
    )


async def keep_up(supervisor: Supervisor, display: "Display") -> int:
    """Run until Ctrl-C, SIGTERM or the end of the terminal; a second one kills. Return the exit
    status.
    """
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        if supervisor.stopping.is_set():
            display.say("killing")
            supervisor.kill()
            return
        display.say("stopping; once more to kill")
        supervisor.stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupted)
    with display.over(supervisor):
        try:
            await supervisor.run()
        except PartFailed as error:
            display.say(str(error), style="red")
            return 1
    display.say("stopped")
    return 0


class Display:
    """Shows the parts as they change: a live table on a terminal, lines elsewhere."""

    def __init__(self, console: Console) -> None:
        """Draw nothing yet."""
        self._console = console
        self._supervisor: Supervisor | None = None
        self._live: Live | None = None
        self._was_ready = False

    @contextmanager
    def over(self, supervisor: Supervisor) -> Iterator[None]:
        """Show this supervisor's parts for as long as the context is open."""
        self._supervisor = supervisor
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        try:
            yield
        finally:
            if self._live is not None:
                with suppress(OSError):
                    self._live.stop()

    def changed(self, running: RunningPart) -> None:
        """Show the change of a part."""
        with suppress(OSError):  # a terminal that has gone must not hold up the end
            self._show(running)

    def say(self, words: str, *, style: str | None = None) -> None:
        """Write a line of our own."""
        with suppress(OSError):
            self._console.print(words, style=style, markup=False)

    def _show(self, running: RunningPart) -> None:
        if self._supervisor is None:
            return
        entries = stackfile.entries(self._supervisor.parts.values())
        if self._live is not None:
            self._live.update(status.table(entries), refresh=True)
        else:
            status.say(self._console, next(e for e in entries if e.name == running.part.name))
        if self._supervisor.is_ready and not self._was_ready:
            self._was_ready = True
            self._console.print(_where_to_look(self._supervisor))


def _where_to_look(supervisor: Supervisor) -> str:
    front_door = supervisor.parts.get("front-door")
    where = f" at {front_door.part.endpoint}" if front_door is not None else ""
    traces = supervisor.parts.get("traces")
    shown = f", traces and metrics at {traces.part.endpoint}" if traces is not None else ""
    return f"[bold green]ready{where}{shown}[/]; Ctrl-C ends it"
