"""Settings of the results-writer: environment variables that begin with RESULTS_WRITER_."""

from typing import Annotated

from penstock.runtime.settings import AuroraSettings, CoreSettings
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from results_writer.snowflake_session import SnowflakeSettings


class BatchSettings(BaseModel):
    """What a deployment may change of a sink's own batch limits."""

    model_config = ConfigDict(frozen=True)

    max_bytes: Annotated[int, Field(ge=1)] | None = None
    max_age_seconds: Annotated[float, Field(ge=0, le=60)] | None = None
    max_packs: Annotated[int, Field(ge=1, le=2_000)] | None = None


class Settings(CoreSettings):
    """One process may serve any of the sinks, and the archive of readings."""

    model_config = SettingsConfigDict(env_prefix="RESULTS_WRITER_")

    port: int = 8085
    sinks: Annotated[tuple[str, ...], NoDecode] = ("aurora", "snowflake", "lake", "latest")
    archive: bool = True
    aurora: AuroraSettings | None = None
    snowflake: SnowflakeSettings | None = None
    batches: Annotated[dict[str, BatchSettings], Field(default_factory=dict)]
    dead_letter_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    dead_letter_least: Annotated[int, Field(ge=1)] = 100

    @field_validator("sinks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value
