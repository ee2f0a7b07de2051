"""Jobs that cannot end well, and one that can: started at once, so that each ends while a test
waits for another.
"""

from dataclasses import dataclass
from datetime import timedelta

import httpx
from penstock_local.demo.scenario import Json

from tests.e2e.doors import HEALTHY, LAVISH, LOCKED, LURING, PUMPS, Doors


@dataclass(frozen=True, slots=True)
class Jobs:
    """Ids of the jobs."""

    right: str
    locked_out: str
    lured: str
    mislabelled: str
    crashing: str


def start_jobs(doors: Doors) -> Jobs:
    """Start all of them; the locked source refuses until its faults are taken away."""
    httpx.put(
        f"{doors.locked_url}/_penstock/faults",
        json=[{"kind": "error", "status": 403, "path": "/api/"}],
    ).raise_for_status()
    start = doors.penstock.jobs.start
    return Jobs(
        right=start(PUMPS.job(HEALTHY))["job_id"],
        locked_out=start(short_job(LOCKED))["job_id"],
        lured=start(short_job(LURING))["job_id"],
        mislabelled=start(short_job(LAVISH, label={"tag": "FAILUR"}))["job_id"],
        crashing=start(_crashing_job())["job_id"],
    )


def short_job(source: str, **dataset: object) -> Json:
    """A job of another model on one day of history, which nobody will use."""
    job = PUMPS.job(source)
    span = {
        "from": (PUMPS.split - timedelta(days=1)).isoformat(),
        "to": PUMPS.split.isoformat(),
    }
    return {
        **job,
        "model": f"{PUMPS.name}-{source}",
        "dataset": {**job["dataset"], "range": span, **dataset},
        "rollout": {"strategy": "register_only"},
    }


def _crashing_job() -> Json:
    """A value that only the program itself knows to be impossible."""
    job = short_job(HEALTHY)
    train = {"algorithm": "xgboost", "hyperparameters": {"num_round": 10, "max_depth": -3}}
    return {**job, "model": f"{PUMPS.name}-crash", "train": train}


def job_on(dataset_id: str, model: str) -> Json:
    """A job of another model on a dataset that is there already."""
    return {**PUMPS.job(HEALTHY), "model": model, "dataset": {"id": dataset_id}}
