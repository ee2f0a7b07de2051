"""`penstock gateways`: gateways and their keys."""

from operator import attrgetter

import typer

from penstock_client.commands.context import DEFAULT_URL, Token, Url, open_penstock, tell_errors
from penstock_client.commands.named import named_app

app = named_app("gateways", attrgetter("gateways"), ("gateway_id", "enabled"))


@app.command("add-key")
@tell_errors
def add_key(gateway_id: str, *, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """Make a key; it is shown this once."""
    with open_penstock(url, token) as penstock:
        # Plain: a table's printer would break it at the terminal's width.
        typer.echo(penstock.gateways.add_key(gateway_id)["key"])


@app.command("revoke-key")
@tell_errors
def revoke_key(gateway_id: str, key_id: str, *, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """End a key."""
    with open_penstock(url, token) as penstock:
        penstock.gateways.revoke_key(gateway_id, key_id)
