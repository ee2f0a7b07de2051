"""Leave nothing behind that costs money or keeps others waiting, however the run ended."""

from penstock.domain.jobs import Job

from training_orchestrator.jobs_store import body_of
from training_orchestrator.step import Step, StepAnswer, Workbench
from training_orchestrator.steps.deploy_endpoint import holder_of


async def run(bench: Workbench, job: Job) -> StepAnswer:
    """Stop the training if it still runs, remove the evaluation's endpoint, let go of the lease."""
    await bench.trainings.stop(bench.sagemaker_name(job))
    await bench.endpoints.remove(bench.evaluation_name(job))
    endpoint = bench.endpoint_name(body_of(job).rollout.endpoint or job.model)
    await bench.leases.release(f"endpoint:{endpoint}", holder_of(job))
    return StepAnswer("done")


STEP = Step(run)
