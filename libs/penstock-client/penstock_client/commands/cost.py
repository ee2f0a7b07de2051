"""`penstock cost`: what a deployment would cost, from list prices and measured use."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import JustifyMethod
from rich.markup import escape
from rich.table import Table as RichTable

from penstock_client.commands.context import tell_errors
from penstock_client.cost import report
from penstock_client.cost.estimate import estimate
from penstock_client.cost.prices import load_prices
from penstock_client.cost.shape import load_shape
from penstock_client.cost.sizing import fits, load_measured
from penstock_client.cost.workload import HOURS, Architecture, Egress, Workload
from penstock_client.show import console


@tell_errors
def cost(
    *,
    gateways: Annotated[int, typer.Option(help="How many send.")] = 10,
    readings_per_second: Annotated[float, typer.Option(help="Of all together.")] = 2_000.0,
    models: Annotated[int, typer.Option(help="Models with an endpoint.")] = 1,
    tags_per_asset: Annotated[int, typer.Option(help="Tags that make one frame.")] = 20,
    seconds_between_readings: Annotated[float, typer.Option(help="Of one tag.")] = 1.0,
    readings_per_body: Annotated[int, typer.Option(help="In one POST.")] = 100,
    bindings_per_asset: Annotated[float, typer.Option(help="Models asked per frame.")] = 1.0,
    mqtt_gateways: Annotated[int, typer.Option(help="Of them by AWS IoT Core.")] = 0,
    retention_days: Annotated[float, typer.Option(help="Archive, lake and Snowflake.")] = 365.0,
    aurora_days: Annotated[float, typer.Option(help="Predictions in Aurora.")] = 90.0,
    endpoint: Annotated[
        list[str] | None,
        typer.Option(help="TYPE=COUNT, may be repeated; ml.m5.large per model if left out."),
    ] = None,
    trainings: Annotated[float, typer.Option(help="A month, of all models.")] = 4.0,
    training_hours: Annotated[float, typer.Option(help="Of one training.")] = 0.5,
    training_instance: Annotated[str, typer.Option(help="Its instance type.")] = "ml.m5.xlarge",
    dataset_gb: Annotated[float, typer.Option(help="Pulled for one training.")] = 5.0,
    aurora_instances: Annotated[int, typer.Option(help="Writer and readers.")] = 2,
    aurora_least_acu: Annotated[float, typer.Option(help="Of each instance.")] = 1.0,
    snowflake_minutes: Annotated[
        float | None,
        typer.Option(help="A day, of a warehouse that runs for loads alone; 0 is no Snowflake."),
    ] = None,
    snowflake_credits_per_hour: Annotated[float, typer.Option(help="1 is X-Small.")] = 1.0,
    zones: Annotated[int, typer.Option(help="Availability zones.")] = 3,
    egress: Annotated[Egress, typer.Option(help="How tasks reach the internet.")] = "nat",
    architecture: Annotated[Architecture, typer.Option(help="Of the tasks.")] = "arm64",
    linger_seconds: Annotated[
        float | None, typer.Option(help="INGEST_API_COMMIT__LINGER_SECONDS, where you set it.")
    ] = None,
    hours: Annotated[float, typer.Option(help="Of a month.")] = HOURS,
    region_multiplier: Annotated[float, typer.Option(help="On us-east-1.")] = 1.0,
    idle: Annotated[bool, typer.Option("--idle", help="Only what nothing sent costs.")] = False,
    measured: Annotated[
        Path | None, typer.Option(help="sizing.json of `make bench-sizing`.")
    ] = None,
    prices: Annotated[Path | None, typer.Option(help="A list of your own prices.")] = None,
    detail: Annotated[bool, typer.Option("--detail", help="Every line of the bill.")] = False,
    sizes: Annotated[
        bool, typer.Option("--sizes", help="Do the tasks have the right size?")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The tables as Markdown.")] = False,
) -> None:
    """Tell what a deployment would cost a month.

    List prices of us-east-1 that nobody here has held against AWS's own list; --detail tells how
    well each is known. Free tiers, discounts and transfers between zones are not reckoned with.
    """
    load = _load(locals(), endpoint or ())
    reckon = partial(
        estimate, shape=load_shape(), measured=load_measured(measured), prices=load_prices(prices)
    )
    nothing_sent = reckon(load.when_idle())
    full = nothing_sent if idle else reckon(load)
    judged = list(fits(full.deployment, load_measured(measured)))
    tables = [report.by_line(full) if detail else report.by_component(full, nothing_sent)]
    tables += [report.by_fit(judged)] if sizes or measured else []
    if as_json:
        typer.echo(json.dumps(report.as_json(full, nothing_sent, judged), indent=2))
        return
    if markdown:
        typer.echo("\n\n".join(table.markdown() for table in tables))
        return
    for table in tables:
        console.print(_rich(table))
    console.print(report.trust(full), style="dim", highlight=False)
    for hint in report.hints(full):
        console.print(f"[yellow]hint[/yellow] {escape(hint)}", highlight=False)


def _load(given: Mapping[str, Any], endpoints: Sequence[str]) -> Workload:
    """Make the load of the options, which have its fields' names."""
    plain = {field.name: given[field.name] for field in fields(Workload) if field.name in given}
    return Workload(**plain, endpoints=dict(_instances(text) for text in endpoints))


def _instances(text: str) -> tuple[str, int]:
    instance, _, count = text.partition("=")
    if not instance or not count.isdecimal():
        raise ValueError(f"--endpoint {text}: write the type and how many, as in ml.m5.large=2")
    return instance, int(count)


def _rich(table: report.Table) -> RichTable:
    shown = RichTable(header_style="bold")
    for position, heading in enumerate(table.headings):
        is_figure = heading.startswith("$") or heading in {"quantity", "of it idle"}
        side: JustifyMethod = "right" if position and is_figure else "left"
        shown.add_column(heading, justify=side, overflow="fold")
    for row in table.rows:
        is_total = row[0] == report.TOTAL
        shown.add_row(*map(escape, row), style="bold" if is_total else None)
    return shown
