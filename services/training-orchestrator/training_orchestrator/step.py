"""A step: what the state machine asks for by a command, and what steps work with."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from penstock.domain.endpoints import Endpoint
from penstock.domain.errors import InvalidInput
from penstock.domain.jobs import Job, JobResult
from penstock.domain.time import HOUR, MINUTE, SECOND, Micros
from penstock.model_type import ModelType
from penstock.ports import Clock, KeyValueStore, ModelHost, ObjectStore
from penstock.registry import ModelRegistry
from penstock.resources import physical_name

from training_orchestrator.datasets_store import DatasetsStore
from training_orchestrator.jobs_store import JobsStore
from training_orchestrator.leases import Leases
from training_orchestrator.ports import Endpoints, Trainings
from training_orchestrator.settings import Settings
from training_orchestrator.versions import Versions

MOST_GENERATIONS = 3
"""Trainings that a run may begin: the first, and two more after its host failed."""


@dataclass(frozen=True, slots=True)
class StepAnswer:
    """The result of a task: `state` is what the state machine chooses its way by."""

    state: str
    wait_seconds: int = 1
    result: JobResult | None = None
    reason: str = ""

    @property
    def output(self) -> Mapping[str, object]:
        """Write it as the state machine reads it."""
        result = self.result.value if self.result else ""
        return {
            "state": self.state, "wait_seconds": self.wait_seconds,
            "result": result, "reason": self.reason,
        }  # fmt: skip


class TrainingFailed(InvalidInput):
    """The training ended without a model; its own words say why."""


class DeployFailed(InvalidInput):
    """An endpoint could not be made or changed."""


class NameInUse(InvalidInput):
    """Something of our name exists that was not made for this job."""


@dataclass(frozen=True, slots=True)
class Workbench:
    """Everything that steps act upon."""

    settings: Settings
    store: KeyValueStore
    jobs: JobsStore
    datasets: DatasetsStore
    registry: ModelRegistry
    model_types: Mapping[str, ModelType]
    trainings: Trainings
    endpoints: Endpoints
    models: ModelHost
    objects: ObjectStore
    bucket: str
    leases: Leases
    versions: Versions
    clock: Clock

    def image_of(self, model_type: ModelType) -> str:
        """Image of an algorithm: the deployment's, or the model type's own."""
        return self.settings.images.get(model_type.name, model_type.image)

    def sagemaker_name(self, job: Job) -> str:
        """Name of everything that the run makes in SageMaker."""
        return job.sagemaker_name(self.settings.name_prefix)

    def version_name(self, model: str, version: str) -> str:
        """Name in SageMaker of a version's model and of the configuration that serves it."""
        return f"{self.settings.name_prefix}-{model}-{version}"

    def endpoint_name(self, endpoint: str) -> str:
        """Name in SageMaker of an endpoint that people name without the prefix."""
        return physical_name(self.settings.name_prefix, endpoint)

    @property
    def soon(self) -> int:
        """Seconds until something quick is worth another look."""
        return poll_wait(Micros(0), self.settings.first_poll_seconds)

    def check_not_stuck(self, endpoint: Endpoint) -> None:
        """Raise DeployFailed where an endpoint has been changing for too long."""
        deadline = self.settings.change_deadline_seconds
        if endpoint.changed_at is None:
            return
        if self.clock.now() - endpoint.changed_at > deadline * SECOND:
            raise DeployFailed(
                f"endpoint {endpoint.name} has been {endpoint.status} for {deadline / 60:.0f} min"
            )

    def evaluation_name(self, job: Job) -> str:
        """Name of the endpoint, its configuration and model, that only the evaluation asks."""
        return f"{self.settings.name_prefix}-eval-{job.job_id}-{job.run}-{job.generation}"


@dataclass(frozen=True, slots=True)
class Step:
    """One step, found by its file's name; it looks for what it would make, and adopts it.

    A step never waits for SageMaker: it answers how things stand, and the state machine waits and
    asks again. It raises InvalidInput or NotFound where the job cannot go on. With `of_any_run` it
    is also done for a run that another has followed; else only the present run may act.
    """

    run: Callable[[Workbench, Job], Awaitable[StepAnswer]]
    of_any_run: bool = False


def poll_wait(elapsed: Micros, first_seconds: float) -> int:
    """Pause before the next look: short for 10 min, four times that for 1 h, then twenty times.

    An execution's history has 25,000 events: even pauses of 15 s would end a training of two days.
    """
    factor = 1 if elapsed < 10 * MINUTE else 4 if elapsed < HOUR else 20
    return max(1, round(first_seconds * factor))
