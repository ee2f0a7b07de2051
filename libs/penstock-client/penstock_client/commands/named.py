"""Commands for everything that is written under a name and listed."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from penstock_client.commands.context import (
    DEFAULT_URL,
    Token,
    Url,
    open_penstock,
    read_json,
    tell_errors,
)
from penstock_client.sdk import Named, Penstock
from penstock_client.show import console, table

AsJson = Annotated[bool, typer.Option("--json", help="Whole items, for programs.")]
Collection = Callable[[Penstock], Named]


def named_app(
    noun: str, of: Collection, columns: Sequence[str], *, writable: bool = True
) -> typer.Typer:
    """Make `list`, `show` and, where people write them, `put` for one collection."""
    app = typer.Typer(help=f"{noun.capitalize()}.", no_args_is_help=True)

    @app.command("list", help=f"List {noun}.")
    @tell_errors
    def list_all(*, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = "") -> None:
        with open_penstock(url, token) as penstock:
            if as_json:
                typer.echo(json.dumps(list(of(penstock).list()), indent=2))
            else:
                table(of(penstock).list(), columns)

    @app.command("show", help=f"Show one of the {noun} whole.")
    @tell_errors
    def show(name: str, *, url: Url = DEFAULT_URL, token: Token = "") -> None:
        with open_penstock(url, token) as penstock:
            console.print_json(data=of(penstock).get(name))

    if writable:

        @app.command("put", help=f"Create or replace one of the {noun} from a JSON file.")
        @tell_errors
        def put(name: str, file: Path, *, url: Url = DEFAULT_URL, token: Token = "") -> None:
            with open_penstock(url, token) as penstock:
                console.print_json(data=of(penstock).put(name, read_json(file)))

    return app
