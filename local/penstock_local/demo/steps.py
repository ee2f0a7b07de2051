"""The steps of a demonstration, each through the public doors that a user has."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from penstock_client.gateway import GatewaySender, Payload, SendTotals
from penstock_client.sdk import OnProgress, Penstock

from penstock_local.checking.expected import Expected, expected_rows
from penstock_local.checking.sent import read_logs
from penstock_local.checking.stores import Row, Stores
from penstock_local.checking.verdict import Findings, judge
from penstock_local.demo.scenario import PROBE, Json, Live, OnSent, Scenario

GATEWAY = "demo-gateway"
SOURCE = "plant"
_ASK_AGAIN_SECONDS = 0.5


class NotReady(Exception):
    """The stack did not do in time what the demonstration waited for."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a scenario is played: the SDK, the doors for gateways, the stores, a folder."""

    penstock: Penstock
    url: str
    stores: Stores
    folder: Path

    @property
    def log(self) -> Path:
        """The sender's log of the live stream."""
        return self.folder / "sent.jsonl"


def set_up(stage: Stage, scenario: Scenario, *, history_url: str) -> str:
    """Make gateway, assets, source and binding known; return the gateway's key."""
    penstock = stage.penstock
    penstock.gateways.put(GATEWAY, {"description": f"sends {scenario.name}"})
    key = penstock.gateways.add_key(GATEWAY)["key"]
    prefixes = {**scenario.prefix_by_asset, scenario.probe_asset: scenario.probe_prefix}
    for asset, prefix in prefixes.items():
        body = {"site": "demo", "asset_type": scenario.asset_type, "prefixes": [prefix]}
        penstock.assets.put(asset, body)
    penstock.sources.put(
        SOURCE,
        {
            "plugin": "paged_json",
            "base_url": history_url,
            "rate": {"rps": 200, "concurrency": 4},
            "options": scenario.source_options,
        },
    )
    penstock.bindings.put(scenario.checked.name, scenario.binding)
    return str(key)


def train(stage: Stage, scenario: Scenario, on_progress: OnProgress) -> Json:
    """Train and deploy; raise JobFailed with the reason where it did not end well."""
    job = stage.penstock.jobs.start(scenario.job)
    return stage.penstock.jobs.wait(
        job["job_id"], timeout_seconds=600.0, every_seconds=0.25, on_progress=on_progress
    )


def prove_the_way(stage: Stage, scenario: Scenario, key: str, *, seconds: float = 180.0) -> None:
    """Send readings of a probe until its prediction arrives: binding and model are in use then."""
    deadline = time.monotonic() + seconds
    with GatewaySender(stage.url, key) as sender:
        while time.monotonic() < deadline:
            at = datetime.now(UTC)
            sender.send(_probe(scenario, at))
            time.sleep(_ASK_AGAIN_SECONDS)
            found = stage.penstock.predictions.list(asset=scenario.probe_asset)
            if any(True for _ in found):
                return
    raise NotReady(f"no prediction of the probe within {seconds:g} s; see the services' logs")


def stream(stage: Stage, scenario: Scenario, key: str, on_sent: OnSent) -> SendTotals:
    """Send the live part; the sender keeps its own log of it."""
    live = Live(f"{stage.url}/v1/readings", key, stage.log)
    return scenario.send(live, on_sent)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found in the stores at last."""

    expected: Expected
    rows: dict[str, list[Row]]
    findings: list[Findings]

    @property
    def is_right(self) -> bool:
        """Whether every store holds every frame's prediction once."""
        return all(finding.is_right for finding in self.findings)


def settle(stage: Stage, scenario: Scenario, *, seconds: float = 300.0) -> Outcome:
    """Look until every store is right, or until the time is over, and tell what was found."""
    expected = expected_rows(read_logs([stage.log]), scenario.checked)
    deadline = time.monotonic() + seconds
    while True:
        outcome = _look(stage.stores, scenario, expected)
        if outcome.is_right or time.monotonic() > deadline:
            return outcome
        time.sleep(_ASK_AGAIN_SECONDS)


def _look(stores: Stores, scenario: Scenario, expected: Expected) -> Outcome:
    binding = scenario.checked.name
    rows = {
        store: [r for r in found if r.binding == binding and not r.asset.startswith(PROBE)]
        for store, found in stores.read_all().items()
    }
    return Outcome(expected, rows, judge(expected, rows))


def _probe(scenario: Scenario, at: datetime) -> Payload:
    milliseconds = round(at.timestamp() * 1000)
    prefix = scenario.probe_prefix
    body = {
        f"{prefix}/{tag}": [{"v": 1, "q": 192, "ts": milliseconds}] for tag in scenario.probe_tags
    }
    return Payload(body, [])
