"""The body of a job: a dataset, and how it is trained on, judged and deployed."""

from typing import Annotated, Literal

from penstock.bodies import Body, Span
from penstock.domain.time import DAY, HOUR, MINUTE, Micros
from pydantic import BeforeValidator, Field, model_validator

from training_orchestrator.body_faults import fault, not_yet
from training_orchestrator.dataset_bodies import AnyDataset

InstanceType = Annotated[str, Field(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$")]
SageMakerName = Annotated[str, Field(pattern=r"^[A-Za-z0-9](-*[A-Za-z0-9]){0,39}$")]
"""Letters, digits and hyphens: the name goes into names of SageMaker."""

_UNSUPPORTED_STRATEGIES = frozenset({"canary", "linear", "shadow", "ab"})


class InstanceBody(Body):
    """The machine that SageMaker trains on."""

    type: InstanceType = "ml.m5.xlarge"
    count: Annotated[int, Field(ge=1, le=16)] = 1
    volume_gb: Annotated[int, Field(ge=1, le=1_000)] = 30


class StopBody(Body):
    """When to give up a training by itself."""

    max_runtime: Annotated[Span, Field(ge=MINUTE, le=5 * DAY)] = Micros(2 * HOUR)
    when: Annotated[
        str | None, not_yet("stopping on a metric is", "use train.stop.max_runtime")
    ] = None


class TrainBody(Body):
    """Which algorithm learns, with what; by default xgboost with a label, else randomcutforest."""

    algorithm: str | None = None
    hyperparameters: dict[str, bool | int | float | str] = Field(default_factory=dict)
    instance: InstanceBody = InstanceBody()
    stop: StopBody = StopBody()


class EvaluateBody(Body):
    """The gate: what the model must reach on the test rows before it may serve.

    `min` is for roc_auc and pr_auc, `max` for log_loss; a model without a label is not judged.
    """

    metric: Literal["roc_auc", "pr_auc", "log_loss"] = "pr_auc"
    min: float | None = None
    max: float | None = None
    beat_champion_by: float | None = None
    calibrate: Annotated[str | None, not_yet("calibration is", "leave it out")] = None

    @model_validator(mode="after")
    def _sided(self) -> "EvaluateBody":
        if self.metric == "log_loss" and self.min is not None:
            raise fault("a smaller log_loss is better: write `max` instead of `min`")
        if self.metric != "log_loss" and self.max is not None:
            raise fault(f"a greater {self.metric} is better: write `min` instead of `max`")
        return self


class ServeInstanceBody(Body):
    """The machines behind a variant."""

    type: InstanceType = "ml.m5.large"
    count: Annotated[int, Field(ge=1, le=100)] = 1


def _strategy(value: object) -> object:
    if value in _UNSUPPORTED_STRATEGIES:
        raise fault(f"strategy `{value}` is not supported yet; use `all_at_once`")
    return value


Strategy = Annotated[Literal["all_at_once", "register_only"], BeforeValidator(_strategy)]
_REGISTER = "use strategy `register_only`, then promote the version"


class RolloutBody(Body):
    """How the version gets its traffic; `register_only` deploys nothing."""

    endpoint: SageMakerName | None = Field(None, description="By default the model's name")
    strategy: Strategy = "all_at_once"
    instance: ServeInstanceBody = ServeInstanceBody()
    steps: Annotated[list[int] | None, not_yet("shifting by steps is", "leave it out")] = None
    bake: Annotated[str | None, not_yet("a bake time is", "leave it out")] = None
    approval: Annotated[str | None, not_yet("approval by hand is", _REGISTER)] = None
    rollback_on: Annotated[
        dict[str, float] | None, not_yet("rollback by alarm is", "leave it out")
    ] = None


class JobBody(Body):
    """`POST /v1/jobs`: pull, prepare, train, evaluate, deploy."""

    model: SageMakerName
    dataset: AnyDataset
    train: TrainBody = TrainBody()
    evaluate: EvaluateBody = EvaluateBody()
    rollout: RolloutBody = RolloutBody()

    @property
    def algorithm(self) -> str:
        """The algorithm; an accepted job names it, whether its request did or not."""
        if self.train.algorithm is None:
            raise ValueError("the defaults of this body were never filled in")
        return self.train.algorithm
