"""Pumps of one site of the simulated plant: history to learn from, a stream to ask about."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from penstock_client.gateway import SendTotals
from penstock_local.checking.expected import RowBinding
from penstock_local.demo.plant_scenario import readings_api, totals_of
from penstock_local.demo.scenario import Json, Live, OnSent, Scenario
from penstock_local.plant.layout import DEADBANDS, LABEL, Asset, Plant

STEP = timedelta(minutes=10)
STALENESS = timedelta(hours=2)
SECONDS_OF_LIVE = 150.0
"""So fast the live part goes by."""
LONGEST_DRAIN_SECONDS = 300.0
LONGEST_STREAM_SECONDS = 900.0
"""However long a slow machine takes for what is done meanwhile: the plant's time goes on after the
live part as it does in it, and every stream is told when it is enough.
"""


ENDS_AT = datetime(2025, 6, 11, tzinfo=UTC)
"""Some pumps of every site fail shortly before; the plant is the same on whatever day it is."""


@dataclass(frozen=True, slots=True)
class Pumps:
    """A site of its own for a test: `name` is its model, binding, asset type and endpoint."""

    name: str
    site: int
    machines: int = 4
    history: timedelta = timedelta(days=20)
    live: timedelta = timedelta(hours=36)

    @property
    def assets(self) -> list[Asset]:
        """Its machines: sites give them names that no other site has."""
        plant = Plant(sites=self.site, machines=self.machines)
        return [asset for asset in plant.assets() if asset.site == self.site_name]

    @property
    def site_name(self) -> str:
        return f"SITE{self.site:02d}"

    @property
    def prefixes(self) -> dict[str, str]:
        return {asset.name: asset.prefix for asset in self.assets}

    @property
    def split(self) -> datetime:
        """Where history ends and the stream begins."""
        return ENDS_AT - self.live

    @property
    def plant_options(self) -> list[str]:
        """What makes a server or a gateway simulate just this plant."""
        return [
            "--sites", str(self.site), "--machines", str(self.machines),
            "--scan", f"{STEP.total_seconds():g}", "--heartbeat", "1800",
        ]  # fmt: skip

    @property
    def history_options(self) -> list[str]:
        return [*self.plant_options, "--now", ENDS_AT.isoformat()]

    def job(self, source: str) -> Json:
        """A job that trains on all of the history and deploys in any case."""
        since = self.split - self.history
        return {
            "model": self.name,
            "dataset": {
                "source": source,
                "range": {"from": since.isoformat(), "to": self.split.isoformat()},
                "assets": {"prefixes": self.prefixes},
                "slicing": {"window": "1d", "tags_per_request": 1_000, "page_size": 1_000},
                "frame": {
                    "mode": "row",
                    "every": "10m",
                    "max_staleness": "2h",
                    "features": [{"name": tag.lower(), "tag": tag} for tag in DEADBANDS],
                },
                "label": {"tag": LABEL},
                "split": {"train": 0.7, "validation": 0.1, "test": 0.2},
            },
            "train": {
                "algorithm": "xgboost",
                "hyperparameters": {"num_round": 150, "max_depth": 5, "eta": 0.1},
            },
            "evaluate": {"metric": "log_loss"},
        }

    def binding(self, **more: object) -> Json:
        return {"applies_to": {"asset_type": self.name}, "model": {"name": self.name}, **more}

    def scenario(self, stream: "Stream", *, source: str, binding: Json) -> Scenario:
        """All of it in the demonstration's words, so that its steps can be taken."""
        return Scenario(
            name=f"pumps of {self.site_name}",
            model=self.name,
            history=self.history_options,
            source_options=readings_api(),
            prefix_by_asset=self.prefixes,
            asset_type=self.name,
            job=self.job(source),
            binding=binding,
            checked=RowBinding(
                self.name, self.prefixes, tuple(DEADBANDS),
                step=round(STEP.total_seconds() * 1e6),
                max_staleness=round(STALENESS.total_seconds() * 1e6),
            ),
            live_units=round(SECONDS_OF_LIVE),
            live_unit="seconds",
            send=stream.send,
            truth=_nobody_knows,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stream:
    """The pumps' gateway: sends until it is told that it is enough, and empties its buffer."""

    pumps: Pumps
    options: Sequence[str] = ()
    enough: threading.Event = field(default_factory=threading.Event)

    def send(self, live: Live, on_sent: OnSent) -> SendTotals:
        """Stream from where history ends, the same plant's time a second however long it takes."""
        speed = self.pumps.live.total_seconds() / SECONDS_OF_LIVE
        command = [
            sys.executable, "-m", "penstock_local.plant", "push", live.url,
            *self.pumps.plant_options, "--site", self.pumps.site_name,
            "--start", self.pumps.split.isoformat(), "--speed", f"{speed:g}",
            "--every", "0.2", "--seconds", f"{LONGEST_STREAM_SECONDS:g}",
            "--drain", f"{LONGEST_DRAIN_SECONDS:g}",
            "--log", str(live.log), *self.options,
        ]  # fmt: skip
        _run_until(self.enough, command, {"PENSTOCK_GATEWAY_KEY": live.key})
        totals = totals_of(live)
        on_sent(totals.requests)
        return totals


def _run_until(enough: threading.Event, command: list[str], variables: Mapping[str, str]) -> None:
    with subprocess.Popen(  # noqa: S603  # our own words
        command,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        enough.wait(LONGEST_STREAM_SECONDS)
        process.terminate()
        output, _ = process.communicate(timeout=LONGEST_DRAIN_SECONDS + 60)
    if process.returncode:
        raise AssertionError(f"the gateway ended with {process.returncode}: {output.decode()}")


def _nobody_knows(places: Sequence[tuple[str, int]]) -> list[int | None]:
    return [None for _ in places]
