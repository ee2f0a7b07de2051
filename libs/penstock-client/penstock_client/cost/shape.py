"""What a deployment consists of, as far as it costs money: commands, queues, settings.

`shape.json` is written by `scripts/cost_documents.py` from `penstock.resources` and the services'
settings, which a client does not import; a test holds the file against them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandShape:
    """One command; `cpu` in 1/1024 vCPU, `cpu_target` the share of it that scaling aims at."""

    name: str
    image: str
    cpu: int
    memory_mib: int
    least_tasks: int
    most_tasks: int
    queues: tuple[str, ...]
    cpu_target: float

    @property
    def vcpus(self) -> float:
        """How many vCPUs one task has."""
        return self.cpu / 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """`subscribers` are the queues by topic; `metrics` counts each command that shows one, rounded
    up; `settings` are the defaults that cost money.
    """

    commands: tuple[CommandShape, ...]
    subscribers: Mapping[str, tuple[str, ...]]
    queues: int
    dead_letter_queues: int
    topics: int
    path_rules: int
    metrics: int
    settings: Mapping[str, float]

    def command(self, name: str) -> CommandShape:
        """Find a command; raise ValueError where there is none."""
        for command in self.commands:
            if command.name == name:
                return command
        raise ValueError(f"there is no command {name}; there are {', '.join(self.names)}")

    @property
    def names(self) -> list[str]:
        """Names of all commands."""
        return [command.name for command in self.commands]

    @property
    def images(self) -> int:
        """How many images there are; some have several commands."""
        return len({command.image for command in self.commands})

    def consumer_of(self, queue: str) -> CommandShape:
        """Find the command that reads a queue."""
        for command in self.commands:
            if queue in command.queues:
                return command
        raise ValueError(f"no command reads queue {queue}")


def load_shape() -> Shape:
    """Read the shape that came with this version."""
    return shape_of(json.loads((files(__package__) / "shape.json").read_text(encoding="utf-8")))


def shape_of(document: Mapping[str, Any]) -> Shape:
    """Turn the file's JSON into the shape."""
    return Shape(
        commands=tuple(
            CommandShape(**{**row, "queues": tuple(row["queues"])}) for row in document["commands"]
        ),
        subscribers={topic: tuple(queues) for topic, queues in document["subscribers"].items()},
        queues=document["queues"],
        dead_letter_queues=document["dead_letter_queues"],
        topics=document["topics"],
        path_rules=document["path_rules"],
        metrics=document["metrics"],
        settings=document["settings"],
    )
