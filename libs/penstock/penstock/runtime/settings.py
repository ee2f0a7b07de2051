"""Settings that every service has; each service adds its own under its own prefix."""

from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Role = Literal["viewer", "operator", "admin"]


class AuroraSettings(BaseModel):
    """Where Aurora is; `dsn` as libpq writes it."""

    model_config = ConfigDict(frozen=True)

    dsn: SecretStr
    pool_size: Annotated[int, Field(ge=1, le=64)] = 4
    connect_timeout_seconds: float = 5.0


class CoreSettings(BaseSettings):
    """Read once in `__main__` and passed down.

    AWS endpoints and credentials are not here: they come from the standard AWS variables.
    """

    model_config = SettingsConfigDict(frozen=True, env_nested_delimiter="__", extra="ignore")

    environment: Annotated[
        str, Field(validation_alias=AliasChoices("environment", "PENSTOCK_ENVIRONMENT"))
    ] = "local"
    name_prefix: Annotated[
        str, Field(validation_alias=AliasChoices("name_prefix", "PENSTOCK_NAME_PREFIX"))
    ] = "penstock"
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Field(validation_alias=AliasChoices("log_level", "PENSTOCK_LOG_LEVEL")),
    ] = "INFO"
    region: Annotated[
        str, Field(validation_alias=AliasChoices("region", "AWS_REGION", "AWS_DEFAULT_REGION"))
    ] = "eu-west-1"
    api_tokens: Annotated[
        dict[str, Role],
        Field(validation_alias=AliasChoices("api_tokens", "PENSTOCK_API_TOKENS"), repr=False),
    ] = {}

    host: str = "127.0.0.1"
    drain_seconds: float = 15.0
    receive_wait_seconds: float = 10.0
