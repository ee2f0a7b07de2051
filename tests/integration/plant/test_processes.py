"""The simulator's two commands as processes of their own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from penstock_local.ports import free_port

from tests.fixtures.waiting import PATIENCE_SECONDS, wait_until
from tests.integration.plant.endpoint import Endpoint, receiving

TEMP = "/SITE01/LINE01/P-101/TEMP"


@contextmanager
def serving(*options: str) -> Iterator[httpx.Client]:
    port = free_port()
    command = [sys.executable, "-m", "penstock_local.plant", "serve", "--port", str(port)]
    process = subprocess.Popen([*command, *options])  # noqa: S603  # our own program
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            _wait_until_up(client, process)
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)


def _wait_until_up(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    def is_up() -> bool:
        assert process.poll() is None, "the server ended before it was up"
        with suppress(httpx.TransportError):
            client.get("/_penstock/faults")
            return True
        return False

    wait_until(is_up, "the server is up")


def test_serve_answers_asks_for_its_token_and_cuts_answers(tmp_path: Path) -> None:
    (tmp_path / "pumps.csv").write_text("a\n1\n2\n")
    options = ["--token", "t0ken", "--csv", str(tmp_path), "--start", "2026-01-01", "--step", "5"]
    with serving(*options, "--now", "2026-01-02T00:00:00Z", "--asset-prefix", "P-1") as client:
        params = {"cmd": "read", "path": TEMP}
        assert client.get("/tag", params=params).status_code == 401
        client.headers["Authorization"] = "Bearer t0ken"
        assert client.get("/tag", params=params).json()["data"]["quality"] == 192
        (_, record) = client.get("/csv/pumps.csv").json()["records"]
        assert record == {
            "tag": "/P-1/a", "time": "2026-01-01T00:00:05.000Z", "value": 2, "quality": 192
        }  # fmt: skip
        client.put("/_penstock/faults", json=[{"kind": "cut", "count": 1}])
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/csv/pumps.csv")
        assert client.get("/csv/pumps.csv").status_code == 200


async def test_push_sends_prints_what_became_of_it_and_ends_with_zero(tmp_path: Path) -> None:
    async with receiving(Endpoint()) as endpoint:
        ended = await _push(endpoint.url, tmp_path, "--count", "3", "--every", "0.1")
    tally = json.loads(ended.stdout)
    assert ended.returncode == 0, ended.stderr
    assert tally["posts"] == 3
    assert tally["delivered"] == tally["accepted"] == sum(endpoint.readings.values())
    assert len((tmp_path / "sent.jsonl").read_text().splitlines()) == 3
    assert endpoint.headers[0]["Authorization"] == "Bearer psk_gw-7_s"


async def test_push_ends_with_three_when_readings_are_left(tmp_path: Path) -> None:
    options = ["--count", "1", "--drain", "0.2", "--mode", "air-quality"]
    ended = await _push("http://127.0.0.1:1/v1/readings", tmp_path, *options)
    assert ended.returncode == 3
    assert json.loads(ended.stdout)["undelivered"] == 7


async def _push(url: str, folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "penstock_local.plant", "push", url, *options]
    command += ["--log", str(folder / "sent.jsonl"), "--key-header", "Authorization"]
    return await asyncio.to_thread(
        subprocess.run,
        command,
        env={**os.environ, "PENSTOCK_GATEWAY_KEY": "psk_gw-7_s"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
