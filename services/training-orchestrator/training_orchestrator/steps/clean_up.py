"""Leave nothing behind that costs money or keeps others waiting, however the run ended."""

from dataclasses import replace

from penstock.domain.jobs import Job

from training_orchestrator.jobs_store import body_of
from training_orchestrator.step import MOST_GENERATIONS, Step, StepAnswer, Workbench
from training_orchestrator.steps.deploy_endpoint import holder_of


async def run(bench: Workbench, job: Job) -> StepAnswer:
    """Stop trainings that still run, remove the evaluation's endpoints, let go of the lease."""
    for generation in range(1, MOST_GENERATIONS + 1):
        named = replace(job, generation=generation)
        await bench.trainings.stop(bench.sagemaker_name(named))
        await bench.endpoints.remove(bench.evaluation_name(named))
    endpoint = bench.endpoint_name(body_of(job).rollout.endpoint or job.model)
    await bench.leases.release(f"endpoint:{endpoint}", holder_of(job))
    return StepAnswer("done")


STEP = Step(run, of_any_run=True)
