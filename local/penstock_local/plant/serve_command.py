"""`serve`: the history server as a process."""

import time
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from penstock_local.faults.rules import Fault
from penstock_local.plant.csv_files import CsvReading
from penstock_local.plant.history import PlantHistory
from penstock_local.plant.layout import Plant
from penstock_local.plant.n3uron_shapes import Shape
from penstock_local.plant.options import (
    Heartbeat,
    Lines,
    Machines,
    ScanTime,
    Seed,
    Sites,
    Skew,
    SpareTags,
    milliseconds,
)
from penstock_local.plant.samples import parse_time
from penstock_local.plant.server import ServerSettings, create_app
from penstock_local.ports import LOOPBACK


def serve(
    *,
    port: Annotated[int, typer.Option(help="port to listen on")] = 4700,
    host: Annotated[str, typer.Option(help="another one only inside a container")] = LOOPBACK,
    token: Annotated[
        str | None,
        typer.Option(help="Bearer token to ask for", envvar="PENSTOCK_PLANT_TOKEN"),
    ] = None,
    seed: Seed = 7,
    sites: Sites = 1,
    lines: Lines = 1,
    machines: Machines = 4,
    spare_tags: SpareTags = 0,
    scan: ScanTime = 1.0,
    heartbeat: Heartbeat = 60.0,
    skew: Skew = 0.0,
    now: Annotated[str | None, typer.Option(help="end of the history; the clock if none")] = None,
    shape: Annotated[Shape, typer.Option(help="of N3uron's history answers")] = "wrapped",
    row_cap: Annotated[int | None, typer.Option(help="rows of a tag, then a silent end")] = None,
    csv: Annotated[Path | None, typer.Option(help="folder of CSV files for /csv/<file>")] = None,
    start: Annotated[str, typer.Option(help="time of row 0 of files without times")] = "2026-01-01",
    step: Annotated[float, typer.Option(help="seconds between such rows")] = 60.0,
    asset_prefix: Annotated[
        str | None, typer.Option(help="of the files' tags; the file's name if none")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help='fault as JSON, repeatable: {"kind": "throttle", "probability": 0.1}'),
    ] = None,
) -> None:
    """Serve the plant's history as N3uron does and as a paged REST API, and CSV files beside it."""
    plant = Plant(
        seed=seed,
        sites=sites,
        lines=lines,
        machines=machines,
        spare_tags=spare_tags,
        scan_ms=milliseconds(scan),
        heartbeat_ms=milliseconds(heartbeat),
        skew_ms=milliseconds(skew),
    )
    end_ms = None if now is None else parse_time(now)
    history = PlantHistory(plant, lambda: end_ms or time.time_ns() // 1_000_000)
    settings = ServerSettings(
        token=token,
        shape=shape,
        row_cap=row_cap,
        csv_folder=csv,
        csv_reading=CsvReading(parse_time(start), milliseconds(step), asset_prefix),
        faults=[Fault.model_validate_json(text) for text in fault or []],
        seed=seed,
    )
    uvicorn.run(
        create_app(history, settings),
        host=host,
        port=port,
        lifespan="off",
        access_log=False,
        log_level="critical",  # a cut answer is no error here
        timeout_graceful_shutdown=5,
    )
