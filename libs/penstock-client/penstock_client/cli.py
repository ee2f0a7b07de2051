"""The command `penstock`: everything that the public APIs offer, for a terminal."""

from operator import attrgetter
from typing import Annotated

import typer

from penstock_client.commands import audit, bindings, devices, gateways, jobs, models
from penstock_client.commands.context import DEFAULT_URL, Token, Url, open_penstock, tell_errors
from penstock_client.commands.cost import cost
from penstock_client.commands.named import named_app
from penstock_client.commands.send import send
from penstock_client.commands.smoke import smoke
from penstock_client.show import table

app = typer.Typer(
    help="Readings in, predictions out; models trained, rolled out and kept honest.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(send)
app.command()(cost)
app.command()(smoke)
app.add_typer(jobs.app, name="jobs")
app.add_typer(devices.app, name="devices")
app.add_typer(gateways.app, name="gateways")
app.add_typer(bindings.app, name="bindings")
app.add_typer(models.app, name="models")
app.command("audit")(audit.audit)
for name, noun, columns, writable in (
    ("assets", "assets", ("name", "site", "asset_type", "prefixes"), True),
    ("asset-types", "asset types", ("name",), True),
    ("sources", "sources", ("name", "plugin", "base_url"), True),
    ("dead-letters", "dead letters", ("id", "queue", "reason", "died_at"), False),
    ("quarantine", "quarantined items", ("id", "gateway_id", "reason", "item"), False),
):
    of = attrgetter(name.replace("-", "_"))
    collection = named_app(noun, of, columns, writable=writable)
    app.add_typer(collection, name=name)


@app.command()
@tell_errors
def predictions(
    *,
    asset: str | None = None,
    binding: str | None = None,
    since: Annotated[str | None, typer.Option("--from", help="ISO time.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="ISO time.")] = None,
    latest: Annotated[bool, typer.Option(help="Only the newest of each.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """List predictions."""
    columns = ("event_time", "asset", "binding", "value", "probability", "decision", "revision")
    with open_penstock(url, token) as penstock:
        if latest:
            table(penstock.predictions.latest(asset=asset, binding=binding), columns)
            return
        filters = {"asset": asset, "binding": binding, "from": since, "to": until}
        table(penstock.predictions.list(**filters), columns)
