"""What the API answers about jobs, datasets, models and endpoints."""

import json
from typing import Any

from penstock.bodies import Body
from penstock.domain.endpoints import Endpoint
from penstock.domain.jobs import Job, JobResult, JobStatus
from penstock.domain.time import to_iso
from penstock.registry import ModelVersion
from pydantic import Field

from training_orchestrator.dataset_bodies import DatasetBody, Moment
from training_orchestrator.datasets_store import Dataset
from training_orchestrator.estimate import Estimate
from training_orchestrator.evaluation import Verdict
from training_orchestrator.jobs_store import body_of


class SlicesView(Body):
    """How far the pull is: of the plan's slices, how many were released to the fetchers, and
    what became of them; a slice that was split is counted by its children.
    """

    planned: int
    released: int
    open: int
    done: int
    failed: int
    rows: int
    bytes: int


class JobView(Body):
    """A job in its present run."""

    job_id: str
    run: int
    status: JobStatus
    summary: str = Field(description="Running, Completed or Failed")
    result: JobResult | None
    reason: str | None
    model: str
    model_version: str | None
    dataset_id: str
    slices: SlicesView
    verdict: Verdict | None
    created_by: str
    created_at: Moment
    ended_at: Moment | None
    body: dict[str, Any] = Field(description="The request with every default filled in")


class CheckView(Body):
    """What a dry run says: nothing was written."""

    ok: bool
    faults: list[dict[str, str]]
    estimate: Estimate | None
    body: dict[str, Any] | None


class DatasetView(Body):
    """A dataset and what is in it."""

    dataset_id: str
    job_id: str
    ready: bool
    created_at: Moment
    recipe: DatasetBody
    manifest: dict[str, Any] | None


class VersionView(Body):
    """One version of a model."""

    model: str
    version: str
    champion: bool
    algorithm: str
    endpoint: str
    job_id: str
    run: int
    dataset_id: str
    artefact: str
    metrics: dict[str, float]
    frame: dict[str, Any]
    trained_to: Moment
    created_at: Moment


class ModelView(Body):
    """A model by its versions, the newest last."""

    model: str
    champion: str | None
    versions: list[str]


class ModelPage(Body):
    """All models."""

    items: list[ModelView]
    next: None = None


class VersionPage(Body):
    """All versions of a model."""

    items: list[VersionView]
    next: None = None


class VariantView(Body):
    """A variant that answers."""

    name: str
    weight: float
    instance_count: int


class EndpointView(Body):
    """An endpoint as SageMaker tells it."""

    name: str
    sagemaker_name: str
    status: str
    config: str
    failure_reason: str
    variants: list[VariantView]
    changed_at: Moment | None


def job_view(job: Job) -> JobView:
    """Show a job."""
    return JobView(
        job_id=job.job_id,
        run=job.run,
        status=job.status,
        summary=job.status.summary,
        result=job.result,
        reason=job.reason,
        model=job.model,
        model_version=job.model_version,
        dataset_id=job.dataset_id,
        slices=SlicesView(
            planned=planned_slices(job), released=job.released, open=job.open, done=job.done,
            failed=job.failed, rows=job.rows, bytes=job.bytes,
        ),
        verdict=Verdict.model_validate_json(job.verdict) if job.verdict else None,
        created_by=job.created_by,
        created_at=job.created_at,
        ended_at=job.ended_at,
        body=json.loads(job.body),
    )  # fmt: skip


def planned_slices(job: Job) -> int:
    """How many slices the plan has; none where the dataset was prepared before."""
    dataset = body_of(job).dataset
    return dataset.to_domain().pull.slice_count if isinstance(dataset, DatasetBody) else 0


def dataset_view(dataset: Dataset) -> DatasetView:
    """Show a dataset."""
    return DatasetView(
        dataset_id=dataset.dataset_id,
        job_id=dataset.job_id,
        ready=dataset.is_ready,
        created_at=dataset.created_at,
        recipe=dataset.recipe,
        manifest=dict(dataset.manifest) if dataset.manifest is not None else None,
    )


def version_view(version: ModelVersion, champion: str | None) -> VersionView:
    """Show a version."""
    return VersionView(
        model=version.model,
        version=version.version,
        champion=version.version == champion,
        algorithm=version.algorithm,
        endpoint=version.endpoint,
        job_id=version.job_id,
        run=version.run,
        dataset_id=version.dataset_id,
        artefact=version.artefact,
        metrics=json.loads(version.metrics),
        frame=json.loads(version.frame),
        trained_to=version.trained_to,
        created_at=version.created_at,
    )


def endpoint_view(name: str, endpoint: Endpoint) -> EndpointView:
    """Show an endpoint."""
    return EndpointView(
        name=name,
        sagemaker_name=endpoint.name,
        status=endpoint.status.value,
        config=endpoint.config,
        failure_reason=endpoint.failure_reason,
        variants=[
            VariantView(name=v.name, weight=v.weight, instance_count=v.instance_count)
            for v in endpoint.variants
        ],
        changed_at=endpoint.changed_at,
    )


def progress(job: Job) -> dict[str, object]:
    """Counters of a pull, for those who watch it."""
    return {
        "planned": planned_slices(job), "released": job.released, "open": job.open,
        "done": job.done, "failed": job.failed, "rows": job.rows,
        "at": to_iso(job.progressed_at) if job.progressed_at is not None else None,
    }  # fmt: skip
