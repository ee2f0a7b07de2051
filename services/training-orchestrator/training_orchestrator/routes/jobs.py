"""Jobs: start, read, watch, stop, retry."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from penstock.bodies import Body as PenstockBody
from penstock.domain.errors import InvalidInput
from penstock.domain.jobs import JobStatus
from penstock.runtime.auth import Operator, Viewer

from training_orchestrator.dependencies import IdempotencyKey, StateDep
from training_orchestrator.faults import FaultyBody
from training_orchestrator.views import CheckView, JobView, job_view
from training_orchestrator.watch import watch

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_LOOK_SECONDS = 1.0
_JSON = "application/json"


class JobPage(PenstockBody):
    """One page of jobs; `next` is the cursor of the page that follows."""

    items: list[JobView]
    next: str | None = None


@router.post(
    "",
    status_code=202,
    response_model=JobView | CheckView,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {_JSON: {"schema": {"$ref": "#/components/schemas/JobBody"}}},
        }
    },
)
async def create_job(
    *,
    request: Request,
    response: Response,
    state: StateDep,
    caller: Operator,
    key: IdempotencyKey = None,
    dry_run: Annotated[
        bool, Query(description="Only say what it would cost, and every fault of the body.")
    ] = False,
) -> JobView | CheckView:
    """Start a job: pull the source's history, prepare it, train, evaluate, deploy.

    Everything but `model`, `dataset.source`, `dataset.range` and `dataset.frame.features` has a
    default; the answer shows them all. Every fault of a body is told at once, by its JSON path.
    """
    raw = await request.body()
    content = _object(raw)
    if dry_run:
        response.status_code = 200
        return await _checked(state, content)
    accepted = await state.acceptance.check(content)
    job = await state.acceptance.create(accepted, caller, key=key, raw=raw)
    if job.status is JobStatus.PENDING:
        job = await state.control.begin(job)
    response.headers["location"] = f"/v1/jobs/{job.job_id}"
    return job_view(job)


@router.get("")
async def list_jobs(
    *,
    state: StateDep,
    _caller: Viewer,
    status: Annotated[list[JobStatus] | None, Query(description="Only these.")] = None,
    model: Annotated[str | None, Query(description="Only jobs of this model.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> JobPage:
    """List jobs, the newest first."""
    items: list[JobView] = []
    async for job in state.bench.jobs.newest():
        if cursor is not None and job.job_id >= cursor:  # ids sort by the time of creation
            continue
        if (status and job.status not in status) or (model and job.model != model):
            continue
        if len(items) == limit:
            return JobPage(items=items, next=items[-1].job_id)
        items.append(job_view(job))
    return JobPage(items=items)


@router.get("/{job_id}")
async def get_job(job_id: str, state: StateDep, _caller: Viewer) -> JobView:
    """Read a job."""
    return job_view(await state.bench.jobs.load(job_id))


@router.get("/{job_id}/events", response_class=StreamingResponse)
async def get_events(
    job_id: str,
    state: StateDep,
    _caller: Viewer,
    last_event_id: Annotated[str, Header(alias="Last-Event-ID")] = "",
) -> StreamingResponse:
    """Watch a job by server-sent events: `status`, steps, `progress` of the pull, then `end`.

    With `Last-Event-ID` it goes on after that event. The stream ends when the run is over.
    """
    await state.bench.jobs.load(job_id)
    events = watch(
        state.bench.jobs, job_id, after=last_event_id, stop=state.stop, look_seconds=_LOOK_SECONDS
    )
    return StreamingResponse(
        events, media_type="text/event-stream", headers={"cache-control": "no-store"}
    )


@router.get("/{job_id}/logs", response_class=StreamingResponse)
async def get_logs(job_id: str, state: StateDep, _caller: Viewer) -> StreamingResponse:
    """Read what the training wrote, as plain text; empty before it began."""
    job = await state.bench.jobs.load(job_id)
    name = state.bench.sagemaker_name(job)

    async def text() -> AsyncIterator[str]:
        async for line in state.logs.lines(name):
            yield f"{line}\n"

    return StreamingResponse(text(), media_type="text/plain; charset=utf-8")


@router.post("/{job_id}/stop", status_code=202)
async def stop_job(job_id: str, state: StateDep, caller: Operator) -> JobView:
    """Stop a job: a pull ends at once, a training is stopped; a changing endpoint is not."""
    return job_view(await state.control.stop(job_id, caller))


@router.post("/{job_id}/retry", status_code=202)
async def retry_job(
    job_id: str, state: StateDep, caller: Operator, key: IdempotencyKey = None
) -> JobView:
    """Run a job again that failed or was stopped: only what is missing is pulled."""
    return job_view(await state.control.retry(job_id, caller, key=key))


async def _checked(state: StateDep, content: dict[str, Any]) -> CheckView:
    try:
        accepted = await state.acceptance.check(content)
    except FaultyBody as error:
        faults = [{"path": fault.path, "message": fault.message} for fault in error.faults]
        return CheckView(ok=False, faults=faults, estimate=None, body=None)
    body = json.loads(accepted.body.model_dump_json())
    reckoned = state.acceptance.estimate(accepted)
    return CheckView(ok=True, faults=[], estimate=reckoned, body=body)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        content = json.loads(raw)
    except ValueError as error:
        raise InvalidInput(f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise InvalidInput("the body must be a JSON object")
    return content
