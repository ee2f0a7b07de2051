"""`penstock models`: versions, and which of them is asked."""

from operator import attrgetter

from penstock_client.commands.context import DEFAULT_URL, Token, Url, open_penstock, tell_errors
from penstock_client.commands.named import named_app
from penstock_client.show import console

app = named_app("models", attrgetter("models"), ("model", "champion", "versions"), writable=False)


@app.command("promote")
@tell_errors
def promote(name: str, version: str, *, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """Make a version champion; an older one is the way back from a newer."""
    with open_penstock(url, token) as penstock:
        console.print_json(data=penstock.models.promote(name, version))
