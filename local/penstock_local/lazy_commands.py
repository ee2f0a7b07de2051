"""Commands whose modules are imported only when they run: `status` must not pay for a demo's ML."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

_MODULES = {
    "demo": "penstock_local.demo.command",
    "trace": "penstock_local.observing.command",
    "play": "penstock_local.demo.play_command",
    "queues": "penstock_local.looking",
    "pg": "penstock_local.looking",
}
"""Command by the module that has a function of its name."""


class LazyCommands(TyperGroup):
    """The commands of an application and those of the table above.

    Click's own classes lie in a private module of typer, hence `Any`.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Name all commands."""
        return [*super().list_commands(ctx), *_MODULES]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Find a command, importing its module now if it must."""
        if cmd_name not in _MODULES:
            return super().get_command(ctx, cmd_name)
        alone = typer.Typer(add_completion=False)
        alone.command(cmd_name)(getattr(import_module(_MODULES[cmd_name]), cmd_name))
        return typer.main.get_command(alone)
