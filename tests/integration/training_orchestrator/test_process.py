"""The command itself, killed in the middle of jobs: they end as if nothing had been."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from penstock.adapters.aws import aws_clients
from penstock_local.children import die_with_parent, forking
from penstock_local.ports import LOOPBACK, free_port

from tests.fixtures.stack import ask, wait_for_server
from tests.integration.training_orchestrator.plant import REQUEST, Plant, until

pytestmark = pytest.mark.timeout(300)


@contextlib.contextmanager
def orchestrator(prefix: str, folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run `training-orchestrator`; end it in any case."""
    environment = {
        **os.environ,
        "PENSTOCK_NAME_PREFIX": prefix,
        "PENSTOCK_API_TOKENS": json.dumps({"t": "admin"}),
        "TRAINING_ORCHESTRATOR_PORT": str(port),
        "TRAINING_ORCHESTRATOR_SWEEP_SECONDS": "1",
        "TRAINING_ORCHESTRATOR_RECEIVE_WAIT_SECONDS": "1",
    }
    with (folder / "output.log").open("ab") as log, forking():
        process = subprocess.Popen(  # our own words
            [sys.executable, "-m", "training_orchestrator"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(),  # noqa: PLW1509  # one call, no locks
        )
    try:
        wait_for_server(process, folder, lambda: ask(port, "/healthz"))
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.asynccontextmanager
async def plant_at(prefix: str, port: int) -> AsyncIterator[Plant]:
    async with (
        aws_clients("eu-west-1") as clients,
        httpx.AsyncClient(
            base_url=f"http://{LOOPBACK}:{port}",
            headers={"authorization": "Bearer t"},
            timeout=60,
            trust_env=False,
            transport=httpx.AsyncHTTPTransport(retries=3),
        ) as http,
    ):
        plant = Plant(http, prefix, clients)
        await plant.open()
        yield plant


async def test_it_ends_at_once_when_asked_to(prefix: str, tmp_path: Path) -> None:
    with orchestrator(prefix, tmp_path, free_port()) as process:
        process.terminate()
        assert process.wait(15) in {0, -signal.SIGTERM}


async def test_it_ends_although_somebody_watches_a_job(prefix: str, tmp_path: Path) -> None:
    port = free_port()
    async with plant_at(prefix, port) as plant:
        with orchestrator(prefix, tmp_path, port) as process:
            job = await plant.post("/v1/jobs", REQUEST)
            async with plant.http.stream("GET", f"/v1/jobs/{job['job_id']}/events") as events:
                lines = events.aiter_lines()
                assert (await anext(lines)).startswith("id: ")
                process.terminate()
                async for _ in lines:
                    pass
            assert await asyncio.to_thread(process.wait, 10) in {0, -signal.SIGTERM}


@pytest.mark.slow
@pytest.mark.parametrize("status", ["PULLING", "EVALUATING"])
async def test_a_job_survives_a_kill(prefix: str, tmp_path: Path, status: str) -> None:
    port = free_port()
    async with plant_at(prefix, port) as plant:
        with orchestrator(prefix, tmp_path, port) as process:
            job = await plant.post("/v1/jobs", REQUEST)
            if status != "PULLING":
                await plant.fetch_all()
                await plant.prepare()
                await plant.status(job["job_id"], status, "COMPLETED")
            process.kill()
            process.wait()
            if status == "PULLING":
                await plant.fetch_all()
        with orchestrator(prefix, tmp_path, port):
            if status == "PULLING":
                await plant.prepare()
            done = await plant.status(job["job_id"], "COMPLETED", "FAILED", seconds=200)
            assert (done["result"], done["model_version"]) == ("deployed", "v1"), done["reason"]

            async def serves() -> bool:
                endpoint = await plant.get("/v1/endpoints/pump-failure")
                return bool(endpoint["status"] == "InService")

            assert await until(serves, "the endpoint serves")
            trainings = await plant.sagemaker.list_training_jobs(NameContains=job["job_id"])
            assert len(trainings["TrainingJobSummaries"]) == 1
