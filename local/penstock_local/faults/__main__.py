"""`python -m penstock_local.faults`: a fault proxy as a process of its own."""

import asyncio
import json
import signal
from typing import Annotated

import typer

from penstock_local.faults.control import start_control
from penstock_local.faults.proxy import FaultProxy
from penstock_local.faults.rules import Fault

app = typer.Typer(add_completion=False)


@app.command()
def proxy(
    target: Annotated[str, typer.Option(help="[http://|tcp://]host:port or unix:///path")],
    listen: Annotated[str, typer.Option(help="127.0.0.1:port, 0 for any")] = "127.0.0.1:0",
    control_port: Annotated[int, typer.Option(help="port of PUT /faults, 0 for any")] = 0,
    fault: Annotated[list[str] | None, typer.Option(help="a fault as JSON, repeatable")] = None,
    seed: Annotated[int, typer.Option(help="seed of the draws")] = 0,
) -> None:
    """Pass everything on to TARGET, until told what should go wrong.

    Prints one line of JSON with `url` and `control` once it listens.
    """
    host, _, port = listen.rpartition(":")
    if host not in ("", "127.0.0.1", "localhost"):
        raise typer.BadParameter("the proxy listens on 127.0.0.1 only", param_hint="--listen")
    faults = [Fault.model_validate_json(text) for text in fault or []]
    asyncio.run(
        _run(FaultProxy(target=target, port=int(port), faults=faults, seed=seed), control_port)
    )


async def _run(fault_proxy: FaultProxy, control_port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with fault_proxy:
        runner, control = await start_control(fault_proxy, control_port)
        try:
            typer.echo(json.dumps({"url": fault_proxy.url, "control": control}))
            await stop.wait()
        finally:
            await runner.cleanup()


if __name__ == "__main__":
    app()
