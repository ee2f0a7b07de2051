"""`python -m penstock_local.plant`: a plant that pushes like a gateway and serves its history."""

import typer

from penstock_local.plant.push_command import push
from penstock_local.plant.serve_command import serve

app = typer.Typer(add_completion=False, help=__doc__)
app.command()(serve)
app.command()(push)

if __name__ == "__main__":
    app()
