"""A job's events as they happen, in the format of server-sent events."""

import json
from collections.abc import AsyncIterator

from penstock.domain.jobs import Job
from penstock.runtime.lifecycle import Stop

from training_orchestrator.jobs_store import JobsStore
from training_orchestrator.views import progress

_QUIET_LOOKS = 15


async def watch(
    jobs: JobsStore, job_id: str, *, after: str, stop: Stop, look_seconds: float
) -> AsyncIterator[str]:
    """Tell events later than `after`, then new ones, until the job's run is over.

    An event is sent once by its id, not by its place: the clocks of those who write them differ.
    """
    sent: set[str] = set()
    counted = None
    quiet = 0
    while True:
        job = await jobs.load(
            job_id
        )  # before the events, so the last of a final job are not missed
        fresh = [
            one
            for one in await jobs.events(job)
            if str(one["event_id"]) > after and str(one["event_id"]) not in sent
        ]
        for one in fresh:
            sent.add(str(one["event_id"]))
            yield sse(str(one["event"]), one, event_id=str(one["event_id"]))
        counts = _counts(job)
        if counts != counted and job.released:
            counted = counts
            yield sse("progress", progress(job))
            quiet = 0
        quiet = 0 if fresh else quiet + 1
        if job.status.is_final:
            yield sse("end", {"status": job.status.value, "result": job.result})
            return
        if quiet >= _QUIET_LOOKS:
            quiet = 0
            yield ": still here\n\n"
        if await stop.wait_for(look_seconds):
            return


def sse(event: str, data: object, *, event_id: str = "") -> str:
    """Write one event (html.spec.whatwg.org, server-sent events)."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {event}\ndata: {json.dumps(data, default=str)}\n\n"


def _counts(job: Job) -> tuple[int, ...]:
    return (job.released, job.done, job.failed, job.rows)
