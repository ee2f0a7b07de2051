"""Command line options that `serve` and `push` share: equal ones mean the same plant."""

from typing import Annotated, TypeAlias

import typer

Seed: TypeAlias = Annotated[int, typer.Option(help="equal seeds make equal plants")]
Sites: TypeAlias = Annotated[int, typer.Option(help="sites of the plant")]
Lines: TypeAlias = Annotated[int, typer.Option(help="lines of a site")]
Machines: TypeAlias = Annotated[int, typer.Option(help="machines of a line")]
SpareTags: TypeAlias = Annotated[int, typer.Option(help="tags AUX01.. per machine, for load")]
ScanTime: TypeAlias = Annotated[float, typer.Option(help="seconds between scans")]
Heartbeat: TypeAlias = Annotated[float, typer.Option(help="seconds until a still value is sent")]
Skew: TypeAlias = Annotated[float, typer.Option(help="seconds a site's clock may be off")]


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
