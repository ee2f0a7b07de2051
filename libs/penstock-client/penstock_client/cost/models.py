"""Models: endpoints that answer, trainings that make them."""

from collections.abc import Iterator

from penstock_client.cost.flows import GB
from penstock_client.cost.usage import Usage
from penstock_client.cost.workload import Deployment

ROW_FIXED_BYTES, FEATURE_BYTES = 40, 9
"""One row to a model and its answer, as CSV."""
EVALUATION_HOURS = 0.25
"""How long the endpoint lives that a new version is judged by."""
_FIRST_POLLS, _FIRST_SECONDS, _LATER_SECONDS = 40, 600, 60
_TRANSITIONS_PER_POLL = 3
_TRANSITIONS = 80
"""Of a run without its looks at the training: statuses, preparing, evaluating, deploying."""


def endpoints(deployment: Deployment) -> Iterator[Usage]:
    """Instances run day and night, asked or not."""
    load = deployment.load
    for instance, count in load.instances.items():
        hours = count * load.hours
        what = f"{count} × {instance}"
        yield Usage("endpoints", what, f"sagemaker-{instance}-hour", hours)
    row = ROW_FIXED_BYTES + FEATURE_BYTES * load.tags_per_asset
    moved = load.predictions_per_second * load.seconds * row / GB
    yield Usage("endpoints", "rows and answers", "sagemaker-data-gb", moved)


def trainings(deployment: Deployment) -> Iterator[Usage]:
    """Instances while they train and judge, and the steps of the state machine."""
    load = deployment.load
    instance = load.training_instance
    hours = load.trainings * (load.training_hours + EVALUATION_HOURS)
    yield Usage(
        "trainings", f"{load.trainings:g} on {instance}", f"sagemaker-{instance}-hour", hours
    )
    steps = load.trainings * (_TRANSITIONS + _TRANSITIONS_PER_POLL * polls(load.training_hours))
    yield Usage("trainings", "steps", "step-functions-transition", steps)


def polls(hours: float) -> float:
    """Looks at a training: every 15 s for ten minutes, then every minute."""
    seconds = hours * 3600
    later = max(0.0, seconds - _FIRST_SECONDS) / _LATER_SECONDS
    return min(_FIRST_POLLS, seconds / 15) + later
