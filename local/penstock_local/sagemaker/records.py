"""What the local SageMaker remembers: frozen records, one class per kind of resource."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Request = Mapping[str, Any]
Answer = dict[str, Any]


class JobStatus(StrEnum):
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    DELETING = "Deleting"

    @property
    def is_final(self) -> bool:
        return self in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED}


class EndpointStatus(StrEnum):
    OUT_OF_SERVICE = "OutOfService"
    CREATING = "Creating"
    UPDATING = "Updating"
    SYSTEM_UPDATING = "SystemUpdating"
    ROLLING_BACK = "RollingBack"
    IN_SERVICE = "InService"
    DELETING = "Deleting"
    FAILED = "Failed"
    UPDATE_ROLLBACK_FAILED = "UpdateRollbackFailed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One entry of a job's SecondaryStatusTransitions; the last one is open until the next."""

    status: str
    message: str
    started_at: float
    ended_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalMetric:
    name: str
    value: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    name: str
    arn: str
    request: dict[str, Any]
    status: JobStatus
    transitions: tuple[Transition, ...]
    created_at: float
    modified_at: float
    started_at: float | None = None
    ended_at: float | None = None
    artifacts_url: str | None = None
    failure_reason: str | None = None
    metrics: tuple[FinalMetric, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def secondary(self) -> str:
        return self.transitions[-1].status


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    name: str
    arn: str
    request: dict[str, Any]
    created_at: float
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointConfig:
    name: str
    arn: str
    request: dict[str, Any]
    created_at: float
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantPlan:
    """One variant with all that starting it needs.

    A copy, not a reference: as on AWS, an endpoint goes on serving (and comes back after a restart)
    when its configuration or its models have been deleted meanwhile.
    """

    name: str
    model: str
    image: str
    model_url: str | None
    model_is_prefix: bool
    environment: dict[str, str]
    weight: float
    instance_count: int | None
    serverless: dict[str, int] | None
    startup_timeout_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A fleet of variants, running or about to: what an endpoint is switched to as a whole."""

    id: str
    config_name: str
    created_at: float
    variants: tuple[VariantPlan, ...]
    data_capture: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`current` is what serves, `pending` what is being brought up; on a restart both survive."""

    name: str
    arn: str
    config_name: str
    status: EndpointStatus
    created_at: float
    modified_at: float
    current: Deployment | None = None
    pending: Deployment | None = None
    deployment_config: dict[str, Any] | None = None
    failure_reason: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
