"""Settings of the results-writer: environment variables that begin with RESULTS_WRITER_."""

from typing import Annotated

from penstock.adapters.aurora_tokens import AuroraSettings
from penstock.runtime.settings import ConsumerSettings
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from results_writer.snowflake_session import SnowflakeSettings


class BatchSettings(BaseModel):
    """What a deployment may change of a sink's own batch limits."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    max_bytes: Annotated[int, Field(ge=1)] | None = None
    """Size of the packs of one write."""
    max_age_seconds: Annotated[float, Field(ge=0, le=60)] | None = None
    """How long the first pack waits for others."""
    max_packs: Annotated[int, Field(ge=1, le=2_000)] | None = None
    """Packs of one write."""


class Settings(ConsumerSettings):
    """One process may serve any of the sinks, and the archive of readings."""

    model_config = SettingsConfigDict(env_prefix="RESULTS_WRITER_")

    port: int = 8085
    """Port to listen on."""
    sinks: Annotated[tuple[str, ...], NoDecode] = ("aurora", "snowflake", "lake", "latest")
    """Sinks that this process serves, separated by commas."""
    archive: bool = True
    """Whether this process archives readings."""
    aurora: AuroraSettings | None = None
    """Where Aurora is; needed by sink aurora."""
    snowflake: SnowflakeSettings | None = None
    """Where Snowflake is; needed by sink snowflake."""
    batches: Annotated[dict[str, BatchSettings], Field(default_factory=dict)]
    """Limits by sink where they are not the sink's own, as JSON."""
    dead_letter_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Lower than elsewhere: what is counted here are rows of a batch, and there are many."""
    dead_letter_least: Annotated[int, Field(ge=1)] = 100
    """Rows, or packs, that must have been seen before that share counts."""

    @field_validator("sinks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value
