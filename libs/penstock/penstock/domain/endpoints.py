"""Endpoints and the variants behind them, and trainings, as their host describes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from penstock.domain.time import Micros


class TrainingStatus(StrEnum):
    """Every status that SageMaker gives a training job."""

    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    DELETING = "Deleting"


@dataclass(frozen=True, slots=True)
class Channel:
    """One input of a training: a folder of files of one type."""

    name: str
    uri: str
    content_type: str


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """Everything that a training is started with."""

    name: str
    image: str
    channels: tuple[Channel, ...]
    output_uri: str
    hyperparameters: Mapping[str, str]
    metric_patterns: Mapping[str, str]
    instance_type: str
    instance_count: int
    volume_gb: int
    max_runtime: Micros
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Training:
    """A training as its host describes it."""

    name: str
    status: TrainingStatus
    output_uri: str
    secondary_status: str = ""
    failure_reason: str = ""
    artefact: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    created_at: Micros | None = None


_NOT_OUR_FAULT = ("InternalServerError", "CapacityError", "InsufficientCapacityError")


def is_worth_another_try(training: Training) -> bool:
    """Whether a failed training failed by its host, so that the same order may succeed."""
    return training.failure_reason.startswith(_NOT_OUR_FAULT)


class EndpointStatus(StrEnum):
    """Every status that SageMaker gives an endpoint."""

    CREATING = "Creating"
    UPDATING = "Updating"
    SYSTEM_UPDATING = "SystemUpdating"
    ROLLING_BACK = "RollingBack"
    IN_SERVICE = "InService"
    OUT_OF_SERVICE = "OutOfService"
    DELETING = "Deleting"
    FAILED = "Failed"
    UPDATE_ROLLBACK_FAILED = "UpdateRollbackFailed"

    @property
    def is_changing(self) -> bool:
        """Whether it will become another by itself."""
        return self in _CHANGING


_CHANGING = frozenset(
    {
        EndpointStatus.CREATING,
        EndpointStatus.UPDATING,
        EndpointStatus.SYSTEM_UPDATING,
        EndpointStatus.ROLLING_BACK,
        EndpointStatus.DELETING,
    }
)


@dataclass(frozen=True, slots=True)
class Variant:
    """One model behind an endpoint, named after its version, with its share of the traffic."""

    name: str
    model_name: str
    instance_type: str
    instance_count: int = 1
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as SageMaker describes it, with the configuration that really serves."""

    name: str
    status: EndpointStatus
    config: str
    failure_reason: str = ""
    variants: tuple[Variant, ...] = ()
    changed_at: Micros | None = None


class Deployment(StrEnum):
    """How the change of an endpoint to a configuration stands."""

    NOT_ASKED = "not asked"
    GOES_ON = "goes on"
    SERVING = "serving"
    ROLLED_BACK = "rolled back"
    FAILED = "failed"


def judge_deployment(endpoint: Endpoint, asked_config: str, *, was_asked: bool) -> Deployment:
    """Decide how a change stands; InService is believed only of the configuration asked for.

    A failed update of SageMaker goes back to InService with the old configuration, silently.
    """
    if endpoint.status.is_changing:
        return Deployment.GOES_ON
    if endpoint.status is not EndpointStatus.IN_SERVICE:
        return Deployment.FAILED
    if endpoint.config == asked_config:
        return Deployment.SERVING
    return Deployment.ROLLED_BACK if was_asked else Deployment.NOT_ASKED
