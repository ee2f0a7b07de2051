"""Register what was trained under a version of its own, and decide whether it is deployed."""

from penstock.domain.errors import NotFound
from penstock.domain.jobs import Job, JobResult
from penstock.registry import ModelVersion

from training_orchestrator.artefacts import verdict_key
from training_orchestrator.evaluation import Verdict
from training_orchestrator.jobs_store import body_of
from training_orchestrator.step import Step, StepAnswer, Workbench


async def run(bench: Workbench, job: Job) -> StepAnswer:
    """Number the version, make its model in SageMaker, write it to the registry."""
    verdict = Verdict.model_validate_json(await bench.objects.get(verdict_key(job)))
    version = await _registered(bench, job, verdict)
    told = f"{version.model} {version.version}: {verdict.reason}"
    await bench.jobs.tell(job, "model.registered", version=version.version)
    if not verdict.passed:
        return StepAnswer("done", result=JobResult.REJECTED_BY_GATE, reason=told)
    if body_of(job).rollout.strategy == "register_only":
        return StepAnswer("done", result=JobResult.REGISTERED, reason=told)
    return StepAnswer("deploy", reason=told)


async def _registered(bench: Workbench, job: Job, verdict: Verdict) -> ModelVersion:
    body = body_of(job)
    dataset = await bench.datasets.load(job.dataset_id)
    training = await bench.trainings.describe(bench.sagemaker_name(job))
    if training is None or not training.artefact:
        raise NotFound(f"the artefact of training {bench.sagemaker_name(job)} is gone")
    number = await bench.versions.allocate(job)
    await bench.endpoints.ensure_model(
        bench.version_name(job.model, number),
        image=bench.image_of(bench.model_types[body.algorithm]),
        artefact=training.artefact,
    )
    version = ModelVersion(
        model=job.model,
        version=number,
        algorithm=body.algorithm,
        endpoint=bench.endpoint_name(body.rollout.endpoint or job.model),
        frame=dataset.recipe.frame.model_dump_json(),
        job_id=job.job_id,
        run=job.run,
        dataset_id=job.dataset_id,
        artefact=training.artefact,
        metrics=verdict.metrics_json,
        trained_to=dataset.trained_to or dataset.recipe.range.to,
        created_at=bench.clock.now(),
    )
    await bench.registry.register(version)
    return version


STEP = Step(run)
