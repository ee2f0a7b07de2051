"""Jobs whose dataset the preparer makes: its files are what SageMaker and the evaluation read."""

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from penstock.channels.slices import SliceMessage
from penstock.domain.time import MINUTE, Micros, to_iso
from training_orchestrator.preparer_app import PreparerSettings, create_app

from tests.integration.training_orchestrator.plant import REQUEST, running


@asynccontextmanager
async def preparer(prefix: str) -> AsyncIterator[None]:
    """The preparer with its consumer, as its process has it."""
    app = create_app(PreparerSettings(name_prefix=prefix, receive_wait_seconds=1.0))
    async with app.router.lifespan_context(app):
        yield


def page_of(piece: SliceMessage) -> bytes:
    """A value of each tag every five minutes; hot pumps that shake fail."""
    told: dict[str, list[dict[str, object]]] = {tag: [] for tag in piece.tags}
    for at in range(piece.since, piece.until, 5 * MINUTE):
        chance = random.Random(at)  # whichever slice tells, one time has one truth
        values: dict[str, object] = {
            "TEMP": (temp := chance.uniform(40, 100)),
            "VIBRATION": (vibration := chance.uniform(0, 10)),
            "FAILURE": temp + 4 * vibration + chance.gauss(0, 2) > 100,
        }
        for tag, samples in told.items():
            value = values[tag.rpartition("/")[2]]
            samples.append({"ts": to_iso(Micros(at)), "value": value, "quality": 192})
    return json.dumps(told).encode()


async def test_a_prepared_dataset_is_trained_on_judged_and_deployed(prefix: str) -> None:
    async with running(prefix) as plant, preparer(prefix):
        job = await plant.post("/v1/jobs", REQUEST)
        await plant.pull_all(page_of)
        job = await plant.status(job["job_id"], "COMPLETED", "FAILED")
        assert (job["status"], job["result"]) == ("COMPLETED", "deployed"), job["reason"]
        dataset = await plant.get(f"/v1/datasets/{job['dataset_id']}")
        assert dataset["manifest"]["counts"] == {"train": 403, "validation": 58, "test": 115}
        assert job["verdict"]["rows"] == 115


async def test_a_forest_is_trained_on_a_dataset_without_a_label(prefix: str) -> None:
    async with running(prefix) as plant, preparer(prefix):
        unlabelled = {key: part for key, part in REQUEST["dataset"].items() if key != "label"}
        request = {"model": "pump-strange", "dataset": unlabelled}
        job = await plant.post("/v1/jobs", request)
        await plant.pull_all(page_of)
        job = await plant.status(job["job_id"], "COMPLETED", "FAILED")
        assert (job["status"], job["result"]) == ("COMPLETED", "deployed"), job["reason"]
        assert "score_p99" in job["verdict"]["metrics"]


async def test_a_wrong_label_fails_the_job_in_words(prefix: str) -> None:
    async with running(prefix) as plant, preparer(prefix):
        wrong = {**REQUEST, "dataset": {**REQUEST["dataset"], "label": {"tag": "FAILED"}}}
        job = await plant.post("/v1/jobs", wrong)
        await plant.pull_all(page_of_known)
        failed = await plant.status(job["job_id"], "FAILED", "COMPLETED")
        assert "no reading of the label FAILED" in failed["reason"]
        assert "/SITE01/P-101/TEMP" in failed["reason"]


def page_of_known(piece: SliceMessage) -> bytes:
    """The source tells nothing of a tag that it does not know."""
    known = [tag for tag in piece.tags if not tag.endswith("/FAILED")]
    return page_of(msgspec.structs.replace(piece, tags=known))
