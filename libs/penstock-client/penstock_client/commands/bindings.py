"""`penstock bindings`: what is asked of which model, and a pause for it."""

from operator import attrgetter

from penstock_client.commands.context import DEFAULT_URL, Token, Url, open_penstock, tell_errors
from penstock_client.commands.named import named_app
from penstock_client.show import console

app = named_app(
    "bindings", attrgetter("bindings"), ("name", "model.name", "model.version", "state")
)


@app.command("pause")
@tell_errors
def pause(name: str, *, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """Ask the model no more; readings are archived and frame state goes on."""
    with open_penstock(url, token) as penstock:
        console.print_json(data=penstock.bindings.pause(name))


@app.command("resume")
@tell_errors
def resume(name: str, *, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """Ask the model again."""
    with open_penstock(url, token) as penstock:
        console.print_json(data=penstock.bindings.resume(name))
