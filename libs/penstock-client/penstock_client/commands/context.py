"""What every command needs: where the APIs are, the token, and how errors are told."""

import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich.markup import escape

from penstock_client.errors import PenstockClientError
from penstock_client.sdk import Penstock
from penstock_client.show import errors

P = ParamSpec("P")
R = TypeVar("R")

Url = Annotated[
    str, typer.Option(envvar="PENSTOCK_URL", help="Address of the front door.", show_default=True)
]
Token = Annotated[
    str, typer.Option(envvar="PENSTOCK_TOKEN", help="Token with a role.", show_default=False)
]
DEFAULT_URL = "http://127.0.0.1:8080"


def open_penstock(url: str, token: str) -> Penstock:
    """Open the SDK for one command."""
    return Penstock(url, token)


def tell_errors(command: Callable[P, R]) -> Callable[P, R]:
    """End with 1 and one readable line where the command raises what a person can act on."""

    @wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (PenstockClientError, ValueError, OSError, TimeoutError) as error:
            errors.print(f"[red]error[/red] {escape(str(error))}", highlight=False)
            raise typer.Exit(1) from error

    return told


def read_json(path: Path) -> dict[str, Any]:
    """Read a body from a file; raise ValueError naming the file."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise ValueError(f"{path} must hold one JSON object")  # noqa: TRY004 -- the file is wrong
    return body
