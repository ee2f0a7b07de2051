"""Settings of the training-orchestrator; endpoints of AWS come from the standard AWS variables."""

from typing import Annotated

from penstock.runtime.settings import ConsumerSettings
from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

_DOLLARS_PER_HOUR = {
    "ml.m5.large": 0.115, "ml.m5.xlarge": 0.23, "ml.m5.2xlarge": 0.461, "ml.m5.4xlarge": 0.922,
    "ml.c5.large": 0.102, "ml.c5.xlarge": 0.204, "ml.c5.2xlarge": 0.408, "ml.c5.4xlarge": 0.816,
}  # fmt: skip
_FAST = 1.0
_SLOW = 15.0


class Settings(ConsumerSettings):
    """Defaults fit the embedded stack."""

    model_config = SettingsConfigDict(
        env_prefix="TRAINING_ORCHESTRATOR_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    port: int = 8082
    """Port to listen on."""
    manage_state_machine: bool | None = None
    """Create and update the state machine at start; by default on one machine: in AWS CDK does."""
    role_arn: str = "arn:aws:iam::000000000000:role/penstock-training"
    """Role that trainings, models and a managed state machine act in."""
    volume_key_arn: str | None = None
    """KMS key of the volumes of trainings and endpoints, and of artefacts; AWS's own by default."""
    images: dict[str, str] = Field(default_factory=dict)
    """Image by algorithm where it is not the model type's own, as in an account's registry."""
    instance_types: dict[str, float] = Field(default_factory=lambda: dict(_DOLLARS_PER_HOUR))
    """Instance types that a job may ask for, with their price per hour for the dry run."""
    poll_seconds: float | None = None
    """First pause between two looks at SageMaker; by default 1 on one machine, 15 elsewhere."""
    change_deadline_seconds: float = 1_800.0
    """How long an endpoint may take to change before it counts as stuck."""
    scoring_seconds: float = 10.0
    """How long one visit of the evaluation scores rows before it gives others a turn."""
    evaluation_rows: Annotated[int, Field(ge=100)] = 100_000
    """Test rows that are scored at most, spread evenly."""
    commands_concurrency: int = 4
    """Commands of the state machine obeyed at once."""
    sweep_seconds: float = 30.0
    """How often stalled jobs are looked for."""
    stalled_seconds: float = 300.0
    """How long a pull may stand still before its open slices are sent again."""
    local_logs_url: Annotated[
        str | None,
        Field(
            validation_alias=AliasChoices(
                "local_logs_url", "TRAINING_ORCHESTRATOR_LOCAL_LOGS_URL",
                "AWS_ENDPOINT_URL_SAGEMAKER",
            )
        ),
    ] = None  # fmt: skip
    """Where the embedded SageMaker serves its logs; elsewhere they are read from CloudWatch."""

    @property
    def manages_state_machine(self) -> bool:
        """Whether this process writes the state machine's definition."""
        if self.manage_state_machine is not None:
            return self.manage_state_machine
        return self.environment == "local"

    @property
    def first_poll_seconds(self) -> float:
        """First pause between two looks at SageMaker."""
        if self.poll_seconds is not None:
            return self.poll_seconds
        return _FAST if self.environment == "local" else _SLOW
