"""Endpoints and the variants behind them, and what SageMaker says of training jobs."""

from dataclasses import dataclass
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
class Training:
    """A training job as SageMaker describes it."""

    name: str
    status: TrainingStatus
    secondary_status: str = ""
    failure_reason: str = ""
    artefact: str = ""
    metrics: tuple[tuple[str, float], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    created_at: Micros | None = None


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
