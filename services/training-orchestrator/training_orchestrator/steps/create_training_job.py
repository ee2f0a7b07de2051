"""Start the training, or find it started."""

from penstock.domain.datasets import Part
from penstock.domain.endpoints import Channel, TrainingOrder
from penstock.domain.errors import Conflict, InvalidInput, StoreUnavailable
from penstock.domain.jobs import Job

from training_orchestrator.datasets_store import Dataset, dataset_prefix
from training_orchestrator.jobs_store import body_of
from training_orchestrator.step import NameInUse, Step, StepAnswer, Workbench


async def run(bench: Workbench, job: Job) -> StepAnswer:
    """Look for the training by its name first; make it where there is none."""
    if job.stop_requested:
        return StepAnswer("stopped")
    order = training_order(bench, job, await bench.datasets.load(job.dataset_id))
    training = await bench.trainings.describe(order.name)
    if training is None:
        try:
            await bench.trainings.start(order)
        except Conflict:
            training = await bench.trainings.describe(order.name)
            if training is None:
                raise StoreUnavailable(f"training {order.name} is in use, yet not shown") from None
        else:
            await bench.jobs.tell(job, "training.started", training=order.name, image=order.image)
    if training is not None and training.output_uri != order.output_uri:
        raise NameInUse(f"training {order.name} writes to {training.output_uri}: it is not ours")
    return StepAnswer("running", bench.soon)


def training_order(bench: Workbench, job: Job, dataset: Dataset) -> TrainingOrder:
    """Turn a job and its dataset into what SageMaker is asked for."""
    if not dataset.is_ready:
        raise InvalidInput(f"dataset {dataset.dataset_id} is not prepared")
    body = body_of(job)
    model_type = bench.model_types[body.algorithm]
    width = dataset.recipe.frame.to_domain().width
    root = f"s3://{bench.bucket}/"
    files = f"{root}{dataset_prefix(dataset.dataset_id)}"
    channels = [Channel("train", f"{files}train/", model_type.layout.content_type)]
    if model_type.layout.has_label and dataset.rows_of(Part.VALIDATION) != 0:
        channels.append(
            Channel("validation", f"{files}validation/", model_type.layout.content_type)
        )
    return TrainingOrder(
        name=bench.sagemaker_name(job),
        image=bench.image_of(model_type),
        channels=tuple(channels),
        output_uri=f"{root}models/{job.job_id}/run={job.run}",
        hyperparameters=model_type.hyperparameters(
            body.train.hyperparameters, width, dataset.recipe.seed
        ),
        metric_patterns=model_type.metric_patterns,
        instance_type=body.train.instance.type,
        instance_count=body.train.instance.count,
        volume_gb=body.train.instance.volume_gb,
        max_runtime=body.train.stop.max_runtime,
        tags={"penstock:job": job.job_id, "penstock:run": str(job.run)},
    )


STEP = Step(run)
