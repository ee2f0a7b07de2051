"""`penstock-local demo`: the plant, or a CSV file of one's own."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from penstock_client.errors import PenstockClientError
from rich.console import Console
from rich.markup import escape

from penstock_local.demo.csv_scenario import CsvChoice, csv_scenario
from penstock_local.demo.plant_scenario import plant_scenario
from penstock_local.demo.play import on_terminal, play
from penstock_local.demo.steps import NotReady
from penstock_local.stack import StackFailed

DEFAULT_STATE_DIR = Path(".penstock/demo")


def demo(
    *,
    data: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="a CSV file of your own")
    ] = None,
    label: Annotated[str, typer.Option(help="its column to learn, 0 or 1")] = "",
    time_column: Annotated[
        str | None, typer.Option(help="its column with the time; else rows are evenly apart")
    ] = None,
    exclude: Annotated[str, typer.Option(help="columns that are no features, by comma")] = "",
    train_share: Annotated[
        float, typer.Option(min=0.05, max=0.95, help="share of the rows that is history")
    ] = 0.8,
    step_seconds: Annotated[float, typer.Option(help="time between rows without times")] = 60.0,
    seconds: Annotated[float, typer.Option(help="how long the plant streams")] = 30.0,
    state_dir: Annotated[Path, typer.Option(help="made anew by every run")] = DEFAULT_STATE_DIR,
    keep: Annotated[
        bool | None, typer.Option(help="stay up at the end; on a terminal it does")
    ] = None,
    observe: Annotated[
        bool, typer.Option("--observe", help="record traces, and show them and the metrics")
    ] = False,
) -> None:
    """Start a stack, train from a REST API, deploy, stream live readings, check every prediction.

    Exit 0 only if every frame's prediction is once in Aurora, Snowflake and the lake, and `latest`
    holds the newest.
    """
    console = Console(highlight=False)
    try:
        if data is None:
            scenario = plant_scenario(live_seconds=seconds)
        else:
            choice = CsvChoice(
                path=data,
                label=label,
                time_column=time_column,
                exclude=tuple(column for part in exclude.split(",") if (column := part.strip())),
                train_share=train_share,
                step=timedelta(seconds=step_seconds),
            )
            scenario = csv_scenario(choice)
        stays = on_terminal() if keep is None else keep
        is_right = play(scenario, state_dir.resolve(), console, keep=stays, observe=observe)
    except (ValueError, PenstockClientError, NotReady, StackFailed, TimeoutError) as error:
        console.print(f"[red]the demonstration failed[/red]: {escape(str(error))}", soft_wrap=True)
        console.print(f"logs: {state_dir}/logs", style="dim")
        raise typer.Exit(1) from error
    raise typer.Exit(0 if is_right else 1)
