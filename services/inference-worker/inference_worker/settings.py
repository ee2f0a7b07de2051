"""Settings of the inference-worker: environment variables that begin with INFERENCE_WORKER_."""

from typing import Annotated

from penstock.runtime.settings import AuroraSettings, CoreSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class Settings(CoreSettings):
    """One process serves the three queues; more tasks share them."""

    model_config = SettingsConfigDict(env_prefix="INFERENCE_WORKER_")

    port: int = 8084
    aurora: AuroraSettings

    deliveries_at_once: Annotated[int, Field(ge=1, le=200)] = 16
    redrives_at_once: Annotated[int, Field(ge=1, le=50)] = 4
    corrections_at_once: Annotated[int, Field(ge=1, le=50)] = 4
    context_poll_seconds: Annotated[float, Field(gt=0)] = 2.0
    cached_states: Annotated[int, Field(ge=0)] = 5_000
    probe_seconds: Annotated[float, Field(gt=0)] = 1.0
    publish_linger_seconds: Annotated[float, Field(ge=0, le=0.05)] = 0.02

    calls_per_endpoint: Annotated[int, Field(ge=1, le=200)] = 16
    rows_per_call: Annotated[int, Field(ge=1, le=10_000)] = 512
    model_read_seconds: Annotated[float, Field(gt=0, le=120)] = 70.0
    live_patience_seconds: Annotated[float, Field(gt=0)] = 10.0
