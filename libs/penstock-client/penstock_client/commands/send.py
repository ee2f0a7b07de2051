"""`penstock send`: a CSV file as a gateway, at any speed."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from penstock_client.commands.context import DEFAULT_URL, Url, tell_errors
from penstock_client.csv_rows import CsvOptions, count_rows, read_rows
from penstock_client.gateway import GatewaySender
from penstock_client.sending import Pace, SequenceOptions, send_readings, send_sequences
from penstock_client.show import console, progress, table


@tell_errors
def send(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The CSV file.")],
    *,
    key: Annotated[str, typer.Option(envvar="PENSTOCK_GATEWAY_KEY", help="The gateway's key.")],
    prefix: Annotated[str, typer.Option(help="Columns become tags below it.")] = "/CSV",
    time_column: Annotated[str | None, typer.Option(help="Column with the time.")] = None,
    start: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%S%z"], help="Time of row 0.")
    ] = None,
    step_seconds: Annotated[float, typer.Option(help="Time between rows.")] = 1.0,
    exclude: Annotated[list[str] | None, typer.Option(help="Columns to leave out.")] = None,
    first_row: Annotated[int, typer.Option(min=0, help="First row to send.")] = 0,
    last_row: Annotated[int | None, typer.Option(min=1, help="Row to stop before.")] = None,
    speed: Annotated[float, typer.Option(help="1 is real time, 0 as fast as it goes.")] = 0.0,
    batch: Annotated[int, typer.Option(min=1, max=1000, help="Rows in a request.")] = 20,
    sequence: Annotated[str | None, typer.Option(help="Send windows of this column.")] = None,
    sensor: Annotated[str, typer.Option(help="Sensor of the sequences.")] = "sensor-1",
    model: Annotated[str, typer.Option(help="Model of the sequences.")] = "",
    window: Annotated[int, typer.Option(min=1, help="Values in a sequence.")] = 48,
    log: Annotated[Path | None, typer.Option(help="Write a JSON line per request.")] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Send a CSV file as readings, or as sliding windows of one column."""
    options = CsvOptions(
        prefix=prefix,
        time_column=time_column,
        start=start,
        step=timedelta(seconds=step_seconds),
        exclude=tuple(exclude or ()),
        rows=(first_row, last_row),
    )
    total = count_rows(file, options) - (window - 1 if sequence else 0)
    with GatewaySender(url, key, log=log) as sender, progress() as bar:
        task = bar.add_task("sending", total=max(0, total))
        rows, pace = read_rows(file, options), Pace(speed)
        if sequence:
            windows = SequenceOptions(sequence, sensor, model, window)
            send_sequences(rows, sender, options=windows, batch=batch, pace=pace,
                           on_sent=lambda n: bar.advance(task, n))  # fmt: skip
        else:
            send_readings(rows, sender, prefix=prefix, batch=batch, pace=pace,
                          on_sent=lambda n: bar.advance(task, n))  # fmt: skip
    _show(sender)


def _show(sender: GatewaySender) -> None:
    totals = sender.totals
    console.print(
        f"[bold]{totals.accepted}[/bold] accepted, {totals.rejected} rejected,"
        f" in {totals.requests} requests ({totals.retries} retries)"
    )
    if totals.rejected_by_reason:
        rows = [{"reason": r, "count": n} for r, n in totals.rejected_by_reason.items()]
        table(rows, ("reason", "count"), title="rejected")
