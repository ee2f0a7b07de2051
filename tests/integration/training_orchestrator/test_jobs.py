"""Whole jobs through Step Functions and SageMaker, both of the embedded stack."""

import json

from penstock.domain.datasets import SliceState
from penstock.domain.jobs import SliceOutcome

from tests.fixtures.waiting import answered
from tests.integration.training_orchestrator.plant import REQUEST, Plant, running


async def prepared(plant: Plant) -> str:
    job = await plant.post("/v1/jobs", REQUEST)
    await plant.fetch_all()
    await plant.prepare()
    return str(job["job_id"])


async def test_a_job_pulls_trains_evaluates_deploys_and_the_next_takes_over(prefix: str) -> None:
    async with running(prefix) as plant:
        job_id = await prepared(plant)
        job = await plant.status(job_id, "COMPLETED", "FAILED")
        assert (job["status"], job["result"], job["model_version"]) == (
            "COMPLETED", "deployed", "v1",
        ), job["reason"]  # fmt: skip
        assert job["verdict"]["metrics"]["roc_auc"] > 0.9
        assert job["slices"]["done"] == 4

        events = (await plant.http.get(f"/v1/jobs/{job_id}/events")).text
        statuses = [
            json.loads(line.removeprefix("data: "))["status"]
            for line in events.splitlines()
            if line.startswith("data: ") and '"event": "status"' in line
        ]
        assert statuses == [
            "PENDING", "PULLING", "PREPARING", "TRAINING", "EVALUATING", "DEPLOYING", "COMPLETED",
        ]  # fmt: skip
        assert "train-logloss" in (await plant.http.get(f"/v1/jobs/{job_id}/logs")).text

        endpoint = await plant.get("/v1/endpoints/pump-failure")
        assert (endpoint["status"], endpoint["variants"][0]["name"]) == ("InService", "v1")
        names = [e["EndpointName"] for e in (await plant.sagemaker.list_endpoints())["Endpoints"]]
        assert f"{prefix}-eval-{job_id}-1-1" not in names

        # The same dataset again, without a pull; it must be as good as the champion.
        again = {**REQUEST, "dataset": {"id": job["dataset_id"]}}
        second = await plant.post("/v1/jobs", {**again, "evaluate": {"beat_champion_by": 0.0}})
        job = await plant.status(second["job_id"], "COMPLETED", "FAILED")
        assert (job["result"], job["model_version"]) == ("deployed", "v2"), job["reason"]
        assert job["verdict"]["champion"] == "v1"
        assert (await plant.get("/v1/models/pump-failure"))["champion"] == "v2"

        promoted = await plant.post("/v1/models/pump-failure/versions/v1/promote")
        assert promoted["champion"] is False

        async def champion() -> bool:
            return bool((await plant.get("/v1/models/pump-failure"))["champion"] == "v1")

        assert await answered(champion, "the older version is champion again")


async def test_a_model_below_the_gate_is_registered_and_not_deployed(prefix: str) -> None:
    async with running(prefix) as plant:
        strict = {**REQUEST, "evaluate": {"metric": "log_loss", "max": 0.000001}}
        job = await plant.post("/v1/jobs", strict)
        await plant.fetch_all()
        await plant.prepare()
        job = await plant.status(job["job_id"], "COMPLETED", "FAILED")
        assert (job["result"], job["model_version"]) == ("rejected_by_gate", "v1"), job["reason"]
        assert "is above 1e-06" in job["reason"]
        assert (await plant.http.get("/v1/endpoints/pump-failure")).status_code == 404


async def test_a_failed_training_fails_the_job_in_its_own_words_and_can_be_retried(
    prefix: str,
) -> None:
    async with running(prefix) as plant:
        wrong = {**REQUEST, "train": {"hyperparameters": {"objective": "reg:unknown"}}}
        job = await plant.post("/v1/jobs", wrong)
        await plant.fetch_all()
        await plant.prepare()
        failed = await plant.status(job["job_id"], "FAILED", "COMPLETED")
        assert "AlgorithmError" in failed["reason"]
        retried = await plant.post(f"/v1/jobs/{job['job_id']}/retry")
        assert retried["run"] == 2
        again = await plant.status(job["job_id"], "FAILED", "COMPLETED")
        assert (again["status"], again["run"]) == ("FAILED", 2)


async def test_a_failed_preparation_fails_the_job(prefix: str) -> None:
    async with running(prefix) as plant:
        job = await plant.post("/v1/jobs", REQUEST)
        await plant.fetch_all()
        await plant.prepare(fail="no row has a label")
        failed = await plant.status(job["job_id"], "FAILED")
        assert failed["reason"] == "no row has a label"


async def test_a_stop_while_training_stops_it_in_sagemaker(prefix: str) -> None:
    async with running(prefix) as plant:
        endless = {"num_round": 500_000, "max_depth": 3}
        job = await plant.post("/v1/jobs", {**REQUEST, "train": {"hyperparameters": endless}})
        await plant.fetch_all()
        await plant.prepare()
        await plant.status(job["job_id"], "TRAINING")
        stopping = await plant.post(f"/v1/jobs/{job['job_id']}/stop")
        assert stopping["status"] == "STOPPING"
        stopped = await plant.status(job["job_id"], "STOPPED", "FAILED", "COMPLETED")
        assert (stopped["status"], stopped["reason"]) == ("STOPPED", "stopped by admin-0")


async def test_a_stop_while_preparing_trains_nothing(prefix: str) -> None:
    async with running(prefix) as plant:
        job = await plant.post("/v1/jobs", REQUEST)
        await plant.fetch_all()
        await plant.status(job["job_id"], "PREPARING")
        await plant.post(f"/v1/jobs/{job['job_id']}/stop")
        await plant.prepare()
        await plant.status(job["job_id"], "STOPPED")
        trainings = await plant.sagemaker.list_training_jobs(NameContains=job["job_id"])
        assert trainings["TrainingJobSummaries"] == []


async def test_a_retry_pulls_only_what_failed(prefix: str) -> None:
    async with running(prefix) as plant:
        job = await plant.post("/v1/jobs", REQUEST)
        await plant.fetch_all(SliceOutcome(SliceState.FAILED, reason="503 from the source"))
        failed = await plant.status(job["job_id"], "FAILED")
        assert "4 of 4 slices could not be pulled" in failed["reason"]
        await plant.post(f"/v1/jobs/{job['job_id']}/retry")
        assert await plant.fetch_all() == 4
        await plant.status(job["job_id"], "PREPARING")
