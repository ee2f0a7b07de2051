"""Settings of the inference-worker: environment variables that begin with INFERENCE_WORKER_."""

from typing import Annotated

from penstock.adapters.aurora_tokens import AuroraSettings
from penstock.runtime.settings import ConsumerSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class Settings(ConsumerSettings):
    """One process serves the three queues; more tasks share them."""

    model_config = SettingsConfigDict(env_prefix="INFERENCE_WORKER_")

    port: int = 8084
    """Port to listen on."""
    aurora: AuroraSettings
    """Where assets and bindings are."""

    deliveries_at_once: Annotated[int, Field(ge=1, le=200)] = 32
    """Messages of queue inference worked on at once."""
    redrives_at_once: Annotated[int, Field(ge=1, le=50)] = 4
    """Messages of queue deferred worked on at once."""
    corrections_at_once: Annotated[int, Field(ge=1, le=50)] = 4
    """Messages of queue corrections worked on at once."""
    """How long after a correction its range is made once more, from a newer archive."""
    context_poll_seconds: Annotated[float, Field(gt=0)] = 2.0
    """How often assets and bindings are looked at for changes."""
    cached_states: Annotated[int, Field(ge=0)] = 5_000
    """Assets whose state is kept in memory, which spares reads."""
    probe_seconds: Annotated[float, Field(gt=0)] = 1.0
    """Pause between two pings of a dependency that is down."""
    publish_linger_seconds: Annotated[float, Field(ge=0, le=0.05)] = 0.02
    """How long the first prediction of a message waits for others."""

    calls_per_endpoint: Annotated[int, Field(ge=1, le=200)] = 16
    """Calls of one endpoint in flight at most."""
    rows_per_call: Annotated[int, Field(ge=1, le=10_000)] = 512
    """Frames in one call at most."""
    model_read_seconds: Annotated[float, Field(gt=0, le=120)] = 70.0
    """How long an endpoint may take to answer a call."""
    live_patience_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How long a live frame is tried before it goes to queue deferred."""
