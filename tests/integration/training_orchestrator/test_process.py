"""The command itself, killed in the middle of jobs: they end as if nothing had been."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from penstock.adapters.aws import aws_clients
from penstock_local.ports import LOOPBACK, free_port

from tests.fixtures.processes import ENDED_IN_ORDER, CommandProcess, command
from tests.fixtures.waiting import answered
from tests.integration.training_orchestrator.plant import REQUEST, Plant


@contextlib.contextmanager
def orchestrator(prefix: str, folder: Path, port: int) -> Iterator[CommandProcess]:
    """Run `training-orchestrator`; end it in any case."""
    variables = {
        "PENSTOCK_API_TOKENS": json.dumps({"t": "admin"}),
        "TRAINING_ORCHESTRATOR_SWEEP_SECONDS": "1",
        "TRAINING_ORCHESTRATOR_RECEIVE_WAIT_SECONDS": "1",
        # What waits for the end of this patience is not seen to end within a test's.
        "TRAINING_ORCHESTRATOR_DRAIN_SECONDS": "300",
    }
    with command("training-orchestrator", prefix, folder, variables) as process:
        process.port = port
        process.start()
        process.wait_for("/healthz")
        yield process


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
        assert process.end() in ENDED_IN_ORDER


async def test_it_ends_although_somebody_watches_a_job(prefix: str, tmp_path: Path) -> None:
    port = free_port()
    async with plant_at(prefix, port) as plant:
        with orchestrator(prefix, tmp_path, port) as process:
            job = await plant.post("/v1/jobs", REQUEST)
            async with plant.http.stream("GET", f"/v1/jobs/{job['job_id']}/events") as events:
                lines = events.aiter_lines()
                assert (await anext(lines)).startswith("id: ")
                ending = asyncio.create_task(asyncio.to_thread(process.end))
                async for _ in lines:
                    pass
            assert await ending in ENDED_IN_ORDER


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

            assert await answered(serves, "the endpoint serves")
            trainings = await plant.sagemaker.list_training_jobs(NameContains=job["job_id"])
            assert len(trainings["TrainingJobSummaries"]) == 1
