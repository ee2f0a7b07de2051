"""The SageMaker container contract: where a container's files lie and how a job is described.

A program reads /opt/ml. Where that folder can't be had to itself, SAGEMAKER_BASE_DIR moves all of
it and SM_MODEL_DIR the model alone.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from penstock_algorithms.errors import CustomerError
from penstock_algorithms.invocations import Predictor

S = TypeVar("S")

# SageMaker shows this much of output/failure.
FAILURE_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class Channel:
    """One input of a training job: a folder of files and what they hold."""

    name: str
    folder: Path
    content_type: str | None

    def files(self) -> Iterator[Path]:
        """Yield the channel's files in the order of their paths, marker files left out."""
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and not path.name.startswith((".", "_")):
                yield path


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders and files of one container."""

    base: Path
    model: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Layout":
        base = Path(environment.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
        return cls(base=base, model=Path(environment.get("SM_MODEL_DIR", base / "model")))

    @property
    def failure(self) -> Path:
        return self.base / "output" / "failure"

    def read_config(self, name: str) -> dict[str, Any]:
        """Return input/config/<name>.json, empty if the platform wrote none."""
        path = self.base / "input" / "config" / f"{name}.json"
        return json.loads(path.read_bytes()) if path.exists() else {}

    def channels(self) -> dict[str, Channel]:
        """Return the channels that are described, else every folder below input/data."""
        data = self.base / "input" / "data"
        described = self.read_config("inputdataconfig")
        names = described or {folder.name: {} for folder in sorted(data.glob("*/"))}
        return {
            name: Channel(name, data / name, config.get("ContentType"))
            for name, config in names.items()
        }

    def write_failure(self, text: str) -> None:
        self.failure.parent.mkdir(parents=True, exist_ok=True)
        self.failure.write_text(text[:FAILURE_CHARACTERS], encoding="utf-8")


@dataclass(frozen=True, slots=True)
class TrainingJob(Generic[S]):
    """What one run of `train` is asked for."""

    settings: S
    channels: Mapping[str, Channel]
    model: Path

    def channel(self, name: str) -> Channel:
        try:
            return self.channels[name]
        except KeyError:
            raise CustomerError(f"Required channel '{name}' is missing") from None


@dataclass(frozen=True, slots=True)
class Algorithm(Generic[S]):
    """One algorithm: how it is set, trained, and loaded to serve."""

    settings: type[S]
    train: Callable[[TrainingJob[S]], None]
    load: Callable[[Path], Predictor[Any, Any]]
