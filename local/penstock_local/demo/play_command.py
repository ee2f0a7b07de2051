"""`penstock-local play`: the plant on a stack that runs already, as that of docker compose."""

from pathlib import Path
from typing import Annotated

import typer
from penstock_client.errors import PenstockClientError
from rich.console import Console
from rich.markup import escape

from penstock_local.demo.command import DEFAULT_STATE_DIR
from penstock_local.demo.running_stack import RunningStack, play_there
from penstock_local.demo.steps import NotReady


def play(
    front_door: Annotated[str, typer.Argument(metavar="URL", help="front door of the stack")],
    *,
    history: Annotated[
        str, typer.Option(metavar="URL", help="the plant's history, as its fetcher reaches it")
    ],
    snowflake: Annotated[str, typer.Option(metavar="URL", help="its stand-in of Snowflake")],
    aurora: Annotated[str, typer.Option(help="DSN of its Aurora", envvar="PENSTOCK_AURORA_DSN")],
    aws: Annotated[str, typer.Option(metavar="URL", help="its AWS", envvar="AWS_ENDPOINT_URL")],
    seconds: Annotated[float, typer.Option(help="how long the plant streams")] = 30.0,
    state_dir: Annotated[Path, typer.Option(help="made anew by every run")] = DEFAULT_STATE_DIR,
) -> None:
    """Train from a REST API, deploy, stream live readings, check every prediction.

    It can be played again and again: each time with the pumps of another site. Exit 0 only if every
    frame's prediction is once in Aurora, Snowflake and the lake, and `latest` holds the newest.
    """
    console = Console(highlight=False)
    stack = RunningStack(
        front_door=front_door,
        history=history,
        aurora_dsn=aurora,
        snowflake=snowflake,
        aws_endpoint=aws,
    )
    try:
        is_right = play_there(stack, state_dir.resolve(), console, live_seconds=seconds)
    except (ValueError, PenstockClientError, NotReady, TimeoutError) as error:
        console.print(f"[red]the demonstration failed[/red]: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(1) from error
    raise typer.Exit(0 if is_right else 1)
