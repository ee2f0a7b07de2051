"""`penstock gateways`: gateways and their keys."""

from operator import attrgetter

from penstock_client.commands.context import DEFAULT_URL, Token, Url, open_penstock, tell_errors
from penstock_client.commands.named import named_app
from penstock_client.show import console

app = named_app("gateways", attrgetter("gateways"), ("gateway_id", "enabled"))


@app.command("add-key")
@tell_errors
def add_key(gateway_id: str, *, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """Make a key; it is shown this once."""
    with open_penstock(url, token) as penstock:
        console.print(penstock.gateways.add_key(gateway_id)["key"], highlight=False)


@app.command("revoke-key")
@tell_errors
def revoke_key(gateway_id: str, key_id: str, *, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """End a key."""
    with open_penstock(url, token) as penstock:
        penstock.gateways.revoke_key(gateway_id, key_id)
