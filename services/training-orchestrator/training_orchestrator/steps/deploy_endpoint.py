"""Let the endpoint serve the new version, and make it the champion once it does."""

from penstock.domain.endpoints import Deployment
from penstock.domain.errors import InvalidInput
from penstock.domain.jobs import Job, JobResult

from training_orchestrator.deployment import Change, go_on
from training_orchestrator.jobs_store import body_of
from training_orchestrator.leases import LeaseHeld
from training_orchestrator.step import Step, StepAnswer, Workbench

_RESULTS = {
    Deployment.SERVING: JobResult.DEPLOYED,
    Deployment.ROLLED_BACK: JobResult.ROLLED_BACK,
}


async def run(bench: Workbench, job: Job) -> StepAnswer:
    """Go one part further; wait where another change of the endpoint is under way."""
    if job.result is not None:  # an earlier visit came to its end, and died before it could say so
        return StepAnswer("done", result=job.result, reason=job.reason or "")
    if job.model_version is None:
        raise InvalidInput(f"job {job.job_id} has no model version to deploy")
    version = await bench.registry.get(job.model, job.model_version)
    change = Change(version, body_of(job).rollout.instance, holder_of(job))
    try:
        deployment, reason = await go_on(bench, change)
    except LeaseHeld as held:
        return StepAnswer("pending", bench.soon, reason=str(held))
    result = _RESULTS.get(deployment)
    if result is None:
        return StepAnswer("pending", bench.soon, reason=reason)
    # Written down before others may change the endpoint: a repeat must not look at theirs.
    await bench.jobs.note(job, result=result.value, reason=reason)
    await bench.jobs.tell(job, f"endpoint.{result.value}", reason=reason)
    await bench.leases.release(change.lease, change.holder)
    return StepAnswer("done", result=result, reason=reason)


def holder_of(job: Job) -> str:
    """Name under which a job's run holds leases."""
    return f"job {job.job_id} run {job.run}"


STEP = Step(run)
