"""Settings of ingest-api, read from `INGEST_API_*`."""

from typing import Annotated

from penstock.runtime.settings import CoreSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ingest_api.gateway_directory import DirectorySettings
from ingest_api.group_commit import CommitSettings
from ingest_api.request_body import BodySettings


class Settings(CoreSettings):
    """How long, how much and how fresh; the defaults keep the answer within four seconds."""

    model_config = SettingsConfigDict(
        env_prefix="INGEST_API_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    port: int = 8081
    """Port to listen on."""
    deadline_seconds: Annotated[float, Field(gt=0, le=60)] = 3.5
    """Time from a body's last byte to the answer about it."""
    commit: CommitSettings = CommitSettings()
    """How long to gather, how much to hold, how long to try."""
    bodies: BodySettings = BodySettings()
    """What a body may cost."""
    gateways: DirectorySettings = DirectorySettings()
    """How fresh the list of gateways and keys is."""
