"""The simulated plant: pumps whose failures are learnt from history, then watched live."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from penstock_client.gateway import SendTotals

from penstock_local.checking.expected import RowBinding
from penstock_local.demo.scenario import Json, Live, OnSent, Scenario
from penstock_local.plant.layout import ASSET_TYPE, DEADBANDS, LABEL, Asset, Plant
from penstock_local.plant.signals import Machines

MODEL = "pump-failure"
STEP = timedelta(minutes=10)
HISTORY = timedelta(days=60)
LIVE = timedelta(days=5)
SLICE = timedelta(days=2)
MACHINES = 8


def plant_scenario(
    *, now: datetime | None = None, live_seconds: float = 30.0, site: int = 1
) -> Scenario:
    """Eight pumps: 60 days of history every ten minutes, then five days in `live_seconds`.

    A stack that has seen the pumps of one site can be shown those of another: all names differ.
    """
    end = _floor(now or datetime.now(UTC)) - STEP
    split = end - LIVE
    step_seconds = STEP.total_seconds()
    plant = plant_of(sites=site)
    shared = [
        "--sites", str(site), "--machines", str(MACHINES), "--scan", f"{step_seconds:g}",
        "--heartbeat", "1800",
    ]  # fmt: skip
    assets = assets_of(site)
    prefixes = {asset.name: asset.prefix for asset in assets}
    tags = tuple(DEADBANDS)
    model = MODEL if site == 1 else f"{MODEL}-{site}"
    asset_type = ASSET_TYPE if site == 1 else f"{ASSET_TYPE}-{site}"

    def send(live: Live, on_sent: OnSent) -> SendTotals:
        own = ["--site", assets[0].site, "--start", split.isoformat()]
        return _push(live, on_sent, [*shared, *own], live_seconds)

    return Scenario(
        name="the simulated plant",
        model=model,
        history=[*shared, "--now", end.isoformat()],
        source_options=readings_api(),
        prefix_by_asset=prefixes,
        asset_type=asset_type,
        job=_job(model, prefixes, tags, split),
        binding={
            "applies_to": {"asset_type": asset_type},
            "model": {"name": model},
            "decision": {"label": "failure", "alarm_at": 0.5},
        },
        checked=RowBinding(
            model, prefixes, tags, step=round(step_seconds * 1e6), max_staleness=2 * 3_600_000_000
        ),
        live_units=round(live_seconds),
        live_unit="seconds",
        send=send,
        truth=lambda places: _truth(plant, places),
    )


def plant_of(*, sites: int) -> Plant:
    """The plant that is shown, with so many sites."""
    scan_ms = round(STEP.total_seconds() * 1000)
    return Plant(sites=sites, machines=MACHINES, scan_ms=scan_ms, heartbeat_ms=30 * 60_000)


def assets_of(site: int) -> list[Asset]:
    """The pumps of one site."""
    return plant_of(sites=site).assets()[-MACHINES:]


def readings_api(path: str = "/api/readings") -> Json:
    """Options of the paged source for the record shape of the history server."""
    return {
        "path": path,
        "params": {
            "from": "{start}", "to": "{end}", "tags": "{tags}",
            "page": "{page}", "page_size": "{page_size}",
        },
        "paging": {"type": "page", "page_size": 5000, "total_path": "total", "pages_path": "pages"},
        "records_path": "records",
    }  # fmt: skip


def _job(model: str, prefixes: dict[str, str], tags: Sequence[str], split: datetime) -> Json:
    return {
        "model": model,
        "dataset": {
            "source": "plant",
            "range": {"from": (split - HISTORY).isoformat(), "to": split.isoformat()},
            "assets": {"prefixes": prefixes},
            "slicing": {"window": "2d", "tags_per_request": 1_000, "page_size": 5_000},
            "frame": {
                "mode": "row",
                "every": "10m",
                "max_staleness": "2h",
                "features": [{"name": tag.lower(), "tag": tag} for tag in tags],
            },
            "label": {"tag": LABEL},
            "split": {"train": 0.7, "validation": 0.1, "test": 0.2, "gap": "24h"},
        },
        "train": {
            "algorithm": "xgboost",
            "hyperparameters": {"num_round": 60, "max_depth": 5, "eta": 0.2},
        },
        "evaluate": {"metric": "roc_auc", "min": 0.8},
    }


def _push(live: Live, on_sent: OnSent, plant: Sequence[str], seconds: float) -> SendTotals:
    command = [
        sys.executable, "-m", "penstock_local.plant", "push", live.url, *plant,
        "--speed", f"{LIVE.total_seconds() / seconds:g}", "--every", "0.2",
        "--seconds", f"{seconds:g}", "--drain", "300", "--log", str(live.log),
    ]  # fmt: skip
    environment = {**os.environ, "PENSTOCK_GATEWAY_KEY": live.key}
    with subprocess.Popen(  # noqa: S603 -- our own words
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        told = 0
        started = time.monotonic()
        while process.poll() is None:
            try:
                process.wait(1.0)
            except subprocess.TimeoutExpired:
                due = min(round(seconds), int(time.monotonic() - started))
                on_sent(due - told)
                told = due
        on_sent(round(seconds) - told)
        if process.returncode:
            error = process.stderr.read().decode()[-2000:] if process.stderr else ""
            raise RuntimeError(f"the simulated gateway ended with {process.returncode}: {error}")
    return totals_of(live)


def totals_of(live: Live) -> SendTotals:
    """Sum up a log."""
    totals = SendTotals()
    for line in live.log.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry.get("status") != 200:
            totals.retries += 1
            continue
        totals.requests += 1
        totals.accepted += entry["answer"]["accepted"]
        for reason, count in entry["answer"].get("by_reason", {}).items():
            held = totals.rejected_by_reason.get(reason, 0)
            totals.rejected_by_reason[reason] = held + count
    return totals


def _truth(plant: Plant, places: Sequence[tuple[str, int]]) -> list[int | None]:
    by_name = {asset.name: asset for asset in plant.assets()}
    labels: list[int | None] = []
    for name, at in places:
        machine = Machines(plant, [by_name[name]])
        times = np.array([at // 1000], np.int64)
        labels.append(int(machine.values(LABEL, times)[0, 0]))
    return labels


def _floor(at: datetime) -> datetime:
    seconds = STEP.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)
