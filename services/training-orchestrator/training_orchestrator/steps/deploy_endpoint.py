"""Let the endpoint serve the new version, and make it the champion once it does."""

from penstock.domain.endpoints import Deployment
from penstock.domain.errors import Conflict, InvalidInput
from penstock.domain.jobs import Job, JobResult

from training_orchestrator.deployment import Change, go_on
from training_orchestrator.jobs_store import body_of
from training_orchestrator.step import Step, StepAnswer, Workbench


async def run(bench: Workbench, job: Job) -> StepAnswer:
    """Go one part further; wait where another change of the endpoint is under way."""
    if job.model_version is None:
        raise InvalidInput(f"job {job.job_id} has no model version to deploy")
    version = await bench.registry.get(job.model, job.model_version)
    change = Change(version, body_of(job).rollout.instance, holder_of(job))
    try:
        deployment, reason = await go_on(bench, change)
    except Conflict as held:
        return StepAnswer("pending", bench.soon, reason=str(held))
    match deployment:
        case Deployment.SERVING:
            await bench.jobs.tell(job, "endpoint.deployed", reason=reason)
            return StepAnswer("done", result=JobResult.DEPLOYED, reason=reason)
        case Deployment.ROLLED_BACK:
            await bench.jobs.tell(job, "endpoint.rolled_back", reason=reason)
            return StepAnswer("done", result=JobResult.ROLLED_BACK, reason=reason)
        case _:
            return StepAnswer("pending", bench.soon, reason=reason)


def holder_of(job: Job) -> str:
    """Name under which a job's run holds leases."""
    return f"job {job.job_id} run {job.run}"


STEP = Step(run)
