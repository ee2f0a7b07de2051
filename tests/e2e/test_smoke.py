"""`penstock smoke` against a whole stack, by a profile, as after a deployment."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from penstock_client.cli import app
from penstock_client.sdk import Penstock
from penstock_local.demo.history import serving_history
from penstock_local.demo.plant_scenario import readings_api
from penstock_local.environment import ADMIN_TOKEN
from penstock_local.stack import PenstockStack
from typer.testing import CliRunner, Result

from tests.e2e.pumps import Pumps
from tests.e2e.training import wait_for_end
from tests.fixtures.waiting import wait_until

PUMPS = Pumps("pump-smoke", site=9, machines=2, history=timedelta(days=6), live=timedelta(days=3))


@pytest.fixture
def profiles(penstock_stack: PenstockStack, tmp_path: Path) -> Path:
    """Profiles of the stack: one right, one with a token of somebody else, one of nobody."""
    url = penstock_stack.endpoint("front-door")
    path = tmp_path / "profiles.toml"
    path.write_text(
        f'[here]\nurl = "{url}"\ntoken_env = "SMOKE_TOKEN"\n'
        f'[stranger]\nurl = "{url}"\ntoken_env = "WRONG_TOKEN"\n'
        '[down]\nurl = "http://127.0.0.1:9"\ntoken_env = "SMOKE_TOKEN"\n'
    )
    return path


@pytest.fixture
def penstock(penstock_stack: PenstockStack) -> Iterator[Penstock]:
    with Penstock(penstock_stack.endpoint("front-door"), ADMIN_TOKEN) as client:
        yield client


def variables(profiles: Path) -> dict[str, str]:
    return {
        "PENSTOCK_CONFIG": str(profiles),
        "SMOKE_TOKEN": ADMIN_TOKEN,
        "WRONG_TOKEN": "of-somebody-else",
        "COLUMNS": "160",
    }


def smoke(profiles: Path, profile: str, *options: str) -> Result:
    command = ["smoke", "--profile", profile, *options]
    return CliRunner().invoke(app, command, env=variables(profiles))


def steps(result: Result) -> dict[str, dict[str, Any]]:
    return {outcome["step"]: outcome for outcome in json.loads(result.stdout)}


def left(penstock: Penstock) -> list[str]:
    """What carries a smoke test's name, in every list."""
    collections = (penstock.gateways, penstock.assets, penstock.asset_types, penstock.bindings)
    items = [item for collection in collections for item in collection.list()]
    names = [str(item.get("gateway_id") or item["name"]) for item in items]
    tags = penstock.session.items("/v1/tags", discovered="true")
    seen = [str(tag["tag"]) for tag in tags if str(tag["tag"]).startswith("/SMOKE/")]
    newest = [str(item["asset"]) for item in penstock.predictions.latest()]
    return [name for name in [*names, *newest] if name.startswith("smoke-")] + seen


def made(penstock: Penstock) -> list[str]:
    """The same without tags, which are listed when somebody comes round to it."""
    return [name for name in left(penstock) if not name.startswith("/SMOKE/")]


def left_of(result: Result, penstock: Penstock) -> list[str]:
    """What this smoke test left: others' tags may be listed long after they were killed."""
    name = str(steps(result)["a gateway and its key"]["seen"])
    assert name.startswith("smoke-")
    return [one for one in left(penstock) if name in one]


def test_a_running_stack_passes_and_nothing_is_left(profiles: Path, penstock: Penstock) -> None:
    result = smoke(profiles, "here")
    assert result.exit_code == 0, result.output
    assert result.output.count(" ok ") == 9, result.output
    as_json = smoke(profiles, "here", "--json")
    assert not left_of(as_json, penstock)


def test_a_model_is_asked_and_its_prediction_read_back(
    profiles: Path, penstock: Penstock, tmp_path: Path
) -> None:
    with serving_history(PUMPS.history_options, tmp_path / "history.log") as url:
        source = {"plugin": "paged_json", "base_url": url, "rate": {"rps": 100, "concurrency": 4}}
        penstock.sources.put("plant-smoke", {**source, "options": readings_api()})
        job = penstock.jobs.start(PUMPS.job("plant-smoke"))
        assert wait_for_end(penstock, job["job_id"])["status"] == "COMPLETED"
    result = smoke(profiles, "here", "--model", PUMPS.name, "--json")
    assert result.exit_code == 0, result.output
    assert "by version v1" in steps(result)["a frame is predicted"]["seen"]
    assert steps(result)["its prediction is in Aurora"]["seen"].startswith("event time 20")
    assert not left_of(result, penstock)


def test_a_wrong_token_and_a_dead_address_end_with_what_to_do(profiles: Path) -> None:
    stranger = smoke(profiles, "stranger")
    assert stranger.exit_code == 1
    assert "what to do" in stranger.output
    assert "is the profile's token" in stranger.output
    down = smoke(profiles, "down")
    assert down.exit_code == 1
    assert "Nothing answers at this address" in down.output


def test_a_consumer_that_stands_still_is_named_and_the_smoke_test_cleans_up(
    profiles: Path, penstock: Penstock, penstock_stack: PenstockStack
) -> None:
    with standing_still(penstock_stack.pid("results-writer")):
        result = smoke(profiles, "here", "--seconds", "8", "--json")
    assert result.exit_code == 1
    failed = steps(result)["readings are archived, their tags listed"]
    assert failed["failed"]
    assert "results-writer" in failed["advice"]
    assert not steps(result)["cleaned up"]["failed"]


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    process = psutil.Process(pid)
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def test_what_a_killed_smoke_test_left_goes_with_the_next(
    profiles: Path, penstock: Penstock, penstock_stack: PenstockStack
) -> None:
    with standing_still(penstock_stack.pid("results-writer")):
        command = [sys.executable, "-c", "from penstock_client.cli import app; app()", "smoke"]
        killed = subprocess.Popen(  # noqa: S603  # our own words
            [*command, "--profile", "here"], env={**os.environ, **variables(profiles)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(lambda: len(made(penstock)) >= 3, "it has made its things")
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert len(made(penstock)) >= 3
    result = smoke(profiles, "here", "--leftovers", "0", "--json")
    assert result.exit_code == 0, result.output
    assert steps(result)["what killed smoke tests left"]["seen"].endswith("removed")
    # Its tags were listed when the consumer went on, perhaps after the gateway was removed.
    assert made(penstock) == []
