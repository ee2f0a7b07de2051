"""A command: one long-running process of Penstock, as a deployment sees it."""

from dataclasses import dataclass
from typing import TypeAlias

from penstock.channel import Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCpu:
    """As many tasks as keep the mean CPU of a task at `percent`."""

    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OnBacklog:
    """As many tasks as leave each `messages_per_task` of any one queue, in flight ones included.

    Counting visible messages alone would end tasks that still hold work.
    """

    messages_per_task: int


Scaling: TypeAlias = OnCpu | OnBacklog


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run, from which image, and how much of it.

    `cpu` is in units of 1/1024 vCPU and `memory_mib` in MiB, a pair that Fargate offers;
    `stop_seconds` is the time between SIGTERM and SIGKILL, at most 120 on Fargate.
    """

    name: str
    """The console script, and the name of the service in compose and on ECS."""
    image: str
    """Folder under `services/` whose image has it."""
    port: int
    """Where it answers `/healthz`, `/readyz`, `/metrics` and its routes."""
    consumes: tuple[Queue, ...] = ()
    scaling: Scaling
    least_tasks: int = 1
    most_tasks: int
    cpu: int = 512
    memory_mib: int = 1024
    stop_seconds: int = 30
    uses_aurora: bool = False
    reaches_out: bool = False
    """Whether it opens connections to places outside the VPC's endpoints."""
    has_long_work: bool = False
    """Whether a task asks to be spared by scale-in while it works on one message for minutes."""

    @property
    def settings_prefix(self) -> str:
        """What the names of its environment variables begin with."""
        return self.name.upper().replace("-", "_")


@dataclass(frozen=True, slots=True)
class PathRule:
    """Paths that are the prefix, or below it, go to the command."""

    prefix: str
    command: str

    def covers(self, path: str) -> bool:
        """Whether the path is this rule's."""
        return path == self.prefix or path.startswith(f"{self.prefix}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A message that EventBridge Scheduler sends to a queue.

    `rate` is an expression of EventBridge Scheduler: `rate(1 hour)` or `cron(...)`.
    """

    name: str
    rate: str
    queue: Queue
    body: str
