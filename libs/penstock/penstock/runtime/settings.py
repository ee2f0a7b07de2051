"""Settings that every service has; each service adds its own under its own prefix."""

from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Role = Literal["viewer", "operator", "admin"]


class AuroraSettings(BaseModel):
    """Where Aurora is."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    dsn: SecretStr
    """Address, user and password, as libpq writes them."""
    pool_size: Annotated[int, Field(ge=1, le=64)] = 4
    """Connections that a process holds at most."""
    connect_timeout_seconds: float = 5.0
    """How long opening a connection may take."""


class CoreSettings(BaseSettings):
    """Read once in `__main__` and passed down.

    AWS endpoints and credentials are not here: they come from the standard AWS variables.
    """

    model_config = SettingsConfigDict(
        frozen=True, env_nested_delimiter="__", extra="ignore", use_attribute_docstrings=True
    )

    environment: Annotated[
        str, Field(validation_alias=AliasChoices("environment", "PENSTOCK_ENVIRONMENT"))
    ] = "local"
    """Where this runs: `local` is the embedded stack."""
    name_prefix: Annotated[
        str, Field(validation_alias=AliasChoices("name_prefix", "PENSTOCK_NAME_PREFIX"))
    ] = "penstock"
    """What the name of every queue, topic, table and bucket begins with."""
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Field(validation_alias=AliasChoices("log_level", "PENSTOCK_LOG_LEVEL")),
    ] = "INFO"
    """Least level that is logged."""
    region: Annotated[
        str, Field(validation_alias=AliasChoices("region", "AWS_REGION", "AWS_DEFAULT_REGION"))
    ] = "eu-west-1"
    """AWS region."""
    account: Annotated[
        str,
        Field(validation_alias=AliasChoices("account", "PENSTOCK_ACCOUNT"), pattern=r"^[0-9]{12}$"),
    ] = "000000000000"
    """AWS account of the topics and the state machine; by default the embedded stack's."""
    api_tokens: Annotated[
        dict[str, Role],
        Field(validation_alias=AliasChoices("api_tokens", "PENSTOCK_API_TOKENS"), repr=False),
    ] = {}
    """Tokens of the HTTP API with their roles, as JSON: for one machine; AWS has OIDC."""
    otlp_endpoint: Annotated[
        str | None,
        Field(
            validation_alias=AliasChoices(
                "otlp_endpoint", "PENSTOCK_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
            )
        ),
    ] = None
    """Base URL of a collector that takes spans by OTLP over HTTP; without one none are recorded."""
    traces_ratio: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            validation_alias=AliasChoices(
                "traces_ratio", "PENSTOCK_TRACES_RATIO", "OTEL_TRACES_SAMPLER_ARG"
            ),
        ),
    ] = 0.05
    """Share of the traces that begin here that are recorded; what comes with a traceparent says
    itself whether it is."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    drain_seconds: float = 15.0
    """How long work under way may go on after SIGTERM; must end before the platform's SIGKILL."""


class ConsumerSettings(CoreSettings):
    """What every command that consumes queues has on top."""

    receive_wait_seconds: float = 10.0
    """How long one receive waits for messages; with `drain_seconds` below the stop timeout."""
