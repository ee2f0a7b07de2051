"""`penstock devices`: what a device needs that speaks MQTT to AWS IoT Core."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from penstock_client.commands.context import tell_errors
from penstock_client.devices.kit import MQTT_PORT, Device, write_kit
from penstock_client.show import console

app = typer.Typer(help="Devices behind AWS IoT Core.", no_args_is_help=True)


@app.callback()
def devices() -> None:
    """Devices behind AWS IoT Core."""


@app.command()
@tell_errors
def kit(
    thing: Annotated[str, typer.Argument(help="Name of the thing, also its client id.")],
    *,
    endpoint: Annotated[str, typer.Option(help="Host of the account's IoT Core (Data-ATS).")],
    out: Annotated[Path, typer.Option(help="Folder to make; it must be new or empty.")],
    prefix: Annotated[str, typer.Option(help="Prefix of the deployment's names.")] = "penstock",
    port: Annotated[int, typer.Option(min=1, max=65535, help="MQTT over TLS.")] = MQTT_PORT,
) -> None:
    """Make a key, a signing request, settings, a publisher and a README; sends nothing."""
    device = Device(thing=thing, endpoint=endpoint, prefix=prefix, port=port)
    for path in write_kit(device, out):
        console.print(escape(str(path)), highlight=False, soft_wrap=True)
    readme = escape(str(out / "README.md"))
    console.print(f"next: {readme} has the commands that register it", highlight=False)
