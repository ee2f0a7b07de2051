"""`penstock smoke`: proves a deployment, from the key of a gateway to a prediction in Aurora."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import JustifyMethod
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from penstock_client.commands.context import DEFAULT_URL, Token, Url, tell_errors
from penstock_client.profiles import load_profile
from penstock_client.sdk import Penstock
from penstock_client.show import console, errors
from penstock_client.smoke.plan import new_names
from penstock_client.smoke.running import Outcome, Patience
from penstock_client.smoke.scene import Scene

_ANSWER_SECONDS = 15.0


@tell_errors
def smoke(
    *,
    profile: Annotated[
        str | None, typer.Option(help="Of ~/.config/penstock/profiles.toml, or PENSTOCK_CONFIG.")
    ] = None,
    model: Annotated[str, typer.Option(help="Also ask this model's champion.")] = "",
    seconds: Annotated[float, typer.Option(min=1, help="A step may wait so long.")] = 120.0,
    leftovers: Annotated[
        float, typer.Option(min=0, help="Minutes after which another's things are left over.")
    ] = 15.0,
    as_json: Annotated[bool, typer.Option("--json", help="The steps as JSON.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """Send readings through a deployment, see them arrive, and remove what was made for it.

    Needs a token with role admin. What stays: three readings in the archive, with a model a few
    predictions and their names in Aurora, Snowflake and the lake, the site `smoke`, the audit.
    """
    if profile is not None:
        chosen = load_profile(profile, os.environ)
        url, token = chosen.url, chosen.token(os.environ)
    with Penstock(url, token, timeout_seconds=_ANSWER_SECONDS) as penstock:
        scene = Scene(
            url=url,
            penstock=penstock,
            names=new_names(datetime.now(UTC)),
            patience=Patience(seconds),
            model=model,
            leftovers_older_than=timedelta(minutes=leftovers),
        )
        outcomes = list(scene.run()) if as_json else _shown(scene.run(), url)
    if as_json:
        typer.echo(json.dumps([asdict(outcome) for outcome in outcomes], indent=2))
    failed = [outcome for outcome in outcomes if outcome.failed]
    for outcome in failed:
        why = f"[red]failed[/red] {escape(outcome.step)}: {escape(outcome.seen)}"
        errors.print(why, soft_wrap=True, highlight=False)
        what = f"[bold]what to do[/bold] {escape(outcome.advice)}"
        errors.print(what, soft_wrap=True, highlight=False)
    if failed:
        raise typer.Exit(1)


def _shown(outcomes: Iterator[Outcome], url: str) -> list[Outcome]:
    """Show each step as it ends, in a table that grows."""
    table = Table(title=escape(url), header_style="bold")
    for heading in ("step", "", "seconds", "seen"):
        justify: JustifyMethod = "right" if heading == "seconds" else "left"
        table.add_column(heading, justify=justify, overflow="fold")
    kept = []
    with Live(table, console=console):
        for outcome in outcomes:
            kept.append(outcome)
            mark = "[red]failed[/red]" if outcome.failed else "[green]ok[/green]"
            seen = "" if outcome.failed else outcome.seen
            table.add_row(escape(outcome.step), mark, f"{outcome.seconds:.2f}", escape(seen))
    return kept
