"""Plausible jobs for the tests of the training side."""

import json
from typing import Any

from penstock.domain.ids import DatasetId, JobId
from penstock.domain.jobs import Job, JobStatus
from penstock.domain.time import parse_iso
from training_orchestrator.bodies import JobBody

JOB_ID = JobId("job-01kafzcf00000000000000000a")
CREATED_AT = parse_iso("2026-11-20T12:00:00Z")


def make_request(**parts: Any) -> dict[str, Any]:
    """A body of POST /v1/jobs; parts replace its own top-level fields."""
    return {
        "model": "pump-failure",
        "dataset": {
            "source": "n3uron-site01",
            "range": {"from": "2026-11-01T00:00:00Z", "to": "2026-11-03T00:00:00Z"},
            "assets": {"names": ["P-101", "P-102"], "tag_pattern": "/SITE01/{asset}/{tag}"},
            "slicing": {"window": "6h", "tags_per_request": 3},
            "frame": {
                "every": "1m",
                "features": [
                    {"name": "temp", "tag": "TEMP"},
                    {"name": "vib_std_10m", "tag": "VIBRATION", "agg": "std", "over": "10m"},
                ],
            },
            "label": {"tag": "FAILURE"},
        },
        **parts,
    }


def make_job(*, status: JobStatus = JobStatus.PENDING, run: int = 1, **parts: Any) -> Job:
    request = parts.pop("request", None) or make_request()
    return Job(
        job_id=JOB_ID,
        run=run,
        status=status,
        model=str(request["model"]),
        body=JobBody.model_validate_json(json.dumps(request)).model_dump_json(),
        dataset_id=DatasetId("ds_01kafzcf00000000000000000a"),
        created_at=CREATED_AT,
        **parts,
    )
