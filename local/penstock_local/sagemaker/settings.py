"""Settings: environment variables `PENSTOCK_SAGEMAKER_*`, overridden by the command line."""

from pathlib import Path
from typing import Annotated, Literal

from penstock.runtime.settings import CoreSettings
from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict


class Settings(CoreSettings):
    """Defaults are AWS's where it has one. Only a container changes the host from loopback."""

    model_config = SettingsConfigDict(env_prefix="PENSTOCK_SAGEMAKER_", frozen=True)

    port: Annotated[int, Field(ge=1, le=65535)]
    # Absolute, for programs run in folders of their own.
    state_dir: Annotated[Path, AfterValidator(Path.absolute)]
    # None leaves it to AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL.
    s3_endpoint_url: str | None = None
    images: Path | None = None
    account: str = "000000000000"
    isolation: Literal["auto", "namespace", "directory"] = "auto"
    # Traffic shares and chances of faults repeat from run to run.
    seed: int = 7

    max_body_bytes: int = 6 * 1024 * 1024
    max_answer_bytes: int = 25 * 1024 * 1024
    max_connections: int = 256
    parallel_jobs: int = 4
    parallel_starts: int = 4

    invocation_timeout_seconds: float = 60
    startup_timeout_seconds: float = 180
    stop_grace_seconds: float = 120
    serving_stop_seconds: float = 30
    # With the grace below it stays under what a supervisor waits for.
    drain_seconds: float = 10
    shutdown_grace_seconds: float = 5
