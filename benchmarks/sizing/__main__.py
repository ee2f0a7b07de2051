"""`make bench-sizing`: CPU and memory of every command of an embedded stack under a steady load.

Idle first, then a training, then a stream. Writes what `penstock cost --measured` reads.
"""

import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from penstock.command import Command
from penstock.resources import COMMANDS
from penstock_client.sdk import Penstock
from penstock_local.demo import steps
from penstock_local.demo.csv_scenario import CsvChoice, csv_scenario
from penstock_local.demo.history import serving_history
from penstock_local.demo.play import stores_of
from penstock_local.environment import ADMIN_TOKEN
from penstock_local.stack import PenstockStack

from benchmarks.sizing import stores
from benchmarks.sizing.plant import Load, put_assets, stream, write_history
from benchmarks.sizing.watch import MIB, Watch

OUT = Path(__file__).parents[1] / "out/sizing.json"
PER_READING = frozenset({"ingest-api", "inference-worker", "results-writer"})
"""Commands that readings flow through; the others' CPU does not follow their rate."""


@dataclass(frozen=True, slots=True)
class Phase:
    """What a phase took of the clock, and of the CPU by command."""

    seconds: float
    cpu: Mapping[str, float]


def main(
    *,
    assets: Annotated[int, typer.Option(help="All their tags are read every second.")] = 50,
    tags: Annotated[int, typer.Option(help="Of an asset, and features of the model.")] = 20,
    gateways: Annotated[int, typer.Option(help="Senders.")] = 10,
    readings_per_body: Annotated[int, typer.Option(help="In one POST.")] = 100,
    seconds: Annotated[float, typer.Option(help="Of the stream.")] = 60.0,
    idle_seconds: Annotated[float, typer.Option(help="Of nothing, at first.")] = 20.0,
    out: Annotated[Path, typer.Option(help="File to write.")] = OUT,
) -> None:
    """Measure; fail where a prediction is missing at the end."""
    load = Load(
        assets=assets, tags=tags, gateways=gateways, readings_per_body=readings_per_body,
        seconds=seconds,
    )  # fmt: skip
    # Run as root, PostgreSQL is an account of its own, which must be let into the folder.
    with tempfile.TemporaryDirectory(prefix="penstock-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with PenstockStack(folder, environment=_as_deployed()) as stack:
            measured = _measure(stack, folder, load, idle_seconds=idle_seconds)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(measured, indent=2) + "\n")
    typer.echo(json.dumps(measured, indent=2))


def _as_deployed() -> dict[str, str]:
    """Undo what the embedded stack does for people who watch: polls and batches as in AWS."""
    waits = {f"{command.settings_prefix}_RECEIVE_WAIT_SECONDS": "10" for command in COMMANDS}
    ages = {
        f"RESULTS_WRITER_BATCHES__{queue}__MAX_AGE_SECONDS": age
        for queue, age in (("SNOWFLAKE", "30"), ("LAKE", "30"), ("ARCHIVE", "10"))
    }
    return waits | ages | {"CONSOLE_DEAD_LETTER_WAIT_SECONDS": "20"}


def _measure(
    stack: PenstockStack, folder: Path, load: Load, *, idle_seconds: float
) -> dict[str, Any]:
    url = stack.endpoint("front-door")
    processes = {command.name: psutil.Process(stack.pid(command.name)) for command in COMMANDS}
    with Penstock(url, ADMIN_TOKEN) as penstock, Watch(processes).at_work() as watch:
        idle = _phase(watch, lambda: time.sleep(idle_seconds))
        binding = _train(stack, penstock, folder, load)
        accepted = 0

        def flow() -> None:
            nonlocal accepted
            accepted = stream(penstock, url, load)
            expected = load.assets * int(load.seconds)
            found = stores.wait_for_predictions(stack, binding=binding, count=expected)
            if found < expected:
                raise SystemExit(f"{found} of {expected} predictions are in Aurora")

        busy = _phase(watch, flow)
        predictions = load.assets * int(load.seconds)
        stores.wait_until_written(stack)
        kept = {
            "aurora_bytes_per_prediction": round(stores.aurora_bytes_per_row(stack), 1),
            "archive_bytes_per_reading": round(stores.archive_bytes(stack) / accepted, 2),
            "lake_bytes_per_prediction": round(stores.lake_bytes(stack) / predictions, 1),
        }
    return {
        "measured_at": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python"
        f" {platform.python_version()}, the embedded stack on the same machine",
        "load": {**asdict(load), "readings": accepted},
        "stream_seconds": round(busy.seconds, 1),
        "commands": {c.name: _use(c, idle, busy, watch, accepted) for c in COMMANDS},
        "kept": kept,
    }


def _train(stack: PenstockStack, penstock: Penstock, folder: Path, load: Load) -> str:
    """Train a model from a REST source, deploy it, bind it to the assets; return the binding."""
    history = folder / "measured.csv"
    write_history(history, load)
    scenario = csv_scenario(CsvChoice(path=history, label="LABEL"))
    stage = steps.Stage(penstock, stack.endpoint("front-door"), stores_of(stack), folder)
    with serving_history(scenario.history, folder / "history.log") as history_url:
        key = steps.set_up(stage, scenario, history_url=history_url)
        # Before the training, so that every worker knows them long before their first reading.
        put_assets(penstock, load, asset_type=scenario.asset_type)
        steps.train(stage, scenario, lambda _job: None)
    steps.prove_the_way(stage, scenario, key)
    return scenario.checked.name


def _phase(watch: Watch, work: Callable[[], None]) -> Phase:
    before, started = watch.cpu_seconds(), time.monotonic()
    work()
    seconds, after = time.monotonic() - started, watch.cpu_seconds()
    return Phase(seconds, {name: after[name] - before[name] for name in after})


def _use(
    command: Command, idle: Phase, busy: Phase, watch: Watch, readings: int
) -> dict[str, float | None]:
    name = command.name
    idle_vcpus = idle.cpu[name] / idle.seconds
    of_load = max(0.0, busy.cpu[name] - idle_vcpus * busy.seconds)
    per_million = round(of_load / readings * 1e6, 1) if name in PER_READING else None
    return {
        "cpu_seconds_per_million_readings": per_million,
        "idle_vcpus": round(idle_vcpus, 4),
        "peak_vcpus": round(watch.peak_vcpus[name], 3),
        "rss_mib": round(watch.peak_rss[name] / MIB, 1),
    }


if __name__ == "__main__":
    typer.run(main)
