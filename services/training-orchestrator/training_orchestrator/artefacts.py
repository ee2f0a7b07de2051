"""What a run leaves in the bucket `training` beside its dataset and model."""

from penstock.domain.jobs import Job


def evaluation_prefix(job: Job) -> str:
    """Folder of a run's evaluation."""
    return f"evaluations/{job.job_id}/run={job.run}/"


def verdict_key(job: Job) -> str:
    """Object that holds the verdict: once it is there, it is final."""
    return f"{evaluation_prefix(job)}verdict.json"


def scores_key(job: Job, who: str) -> str:
    """Object that holds the scores so far of the candidate or the champion."""
    return f"{evaluation_prefix(job)}{who}-scores.json"
