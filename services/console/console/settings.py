"""Settings of the console, from variables that start with CONSOLE_."""

from penstock.adapters.aurora_tokens import AuroraSettings
from penstock.runtime.settings import CoreSettings
from pydantic_settings import SettingsConfigDict


class Settings(CoreSettings):
    """Where the console listens and what it reads."""

    model_config = SettingsConfigDict(
        env_prefix="CONSOLE_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    port: int = 8083
    """Port to listen on."""
    aurora: AuroraSettings
    """Where assets, bindings and predictions are."""
    dead_letter_wait_seconds: float = 20.0
    """How long one receive waits for dead letters."""
