"""Measured CPU and memory against what each task is given: how many tasks, and of which size."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from penstock_client.cost.shape import CommandShape, Shape
from penstock_client.cost.workload import Deployment, Tasks, Workload

FARGATE_SIZES: Mapping[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}
"""MiB of memory that Fargate offers with each CPU (in 1/1024 vCPU)."""
MOST_MEMORY = 0.8
"""Share of a task's memory beyond which the kernel's killer is near."""
WANTED_MEMORY = 0.6
"""Share that a well-chosen size leaves in use at the measured peak."""
COLLECTOR_MIB = 256
"""What the collector of traces beside each command takes of the task."""

Verdict = Literal["fits", "too small", "too large"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What one process of a command was seen to use; no CPU per reading where none flow by it.

    `peak_vcpus` is its busiest moment, `rss_mib` its largest: of a training in most commands.
    """

    cpu_seconds_per_million_readings: float | None
    idle_vcpus: float
    peak_vcpus: float
    rss_mib: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Uses by command, and when and on what they were measured."""

    measured_at: str
    machine: str
    uses: Mapping[str, Use]


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a command's tasks have the size that they need, why, and which they could have."""

    command: str
    verdict: Verdict
    reason: str
    tasks: int
    cpu: int
    memory_mib: int
    better_cpu: int
    better_memory_mib: int


def load_measured(path: Path | None = None) -> Measured:
    """Read a measurement, or the one that came with this version; raise ValueError."""
    resource = path or files(__package__) / "measured.json"
    try:
        document = json.loads(resource.read_text(encoding="utf-8"))
        uses = {name: _use(row) for name, row in document["commands"].items()}
        return Measured(str(document["measured_at"]), str(document["machine"]), uses)
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{resource} is no measurement of `make bench-sizing`: {error!r}") from (
            error
        )


def tasks_for(load: Workload, shape: Shape, measured: Measured) -> dict[str, Tasks]:
    """How many tasks of each command carry the load at the share of CPU that scaling aims at."""
    return {
        command.name: Tasks(command, _wanted(load, command, measured.uses.get(command.name)))
        for command in shape.commands
    }


def fits(deployment: Deployment, measured: Measured) -> Iterator[Fit]:
    """Judge every command that was measured."""
    for name, tasks in deployment.tasks.items():
        use = measured.uses.get(name)
        if use is not None:
            yield _fit(deployment.load, tasks, use)


def smallest_size(*, vcpus: float, memory_mib: float) -> tuple[int, int]:
    """Find the smallest pair that Fargate offers with at least these; the largest where none."""
    for cpu, memories in FARGATE_SIZES.items():
        for memory in memories:
            if cpu >= vcpus * 1024 and memory >= memory_mib:
                return cpu, memory
    cpu, memories = list(FARGATE_SIZES.items())[-1]
    return cpu, memories[-1]


def _fit(load: Workload, tasks: Tasks, use: Use) -> Fit:
    command = tasks.command
    if use.cpu_seconds_per_million_readings is None:
        # By the job or the request: its busiest moment should find room, and nothing beside it.
        vcpus = wanted_vcpus = use.peak_vcpus
    else:
        vcpus = use.idle_vcpus + _vcpus_of_load(load, use) / tasks.running
        wanted_vcpus = vcpus / command.cpu_target
    memory_mib = use.rss_mib + COLLECTOR_MIB
    better = smallest_size(vcpus=wanted_vcpus, memory_mib=memory_mib / WANTED_MEMORY)
    verdict, reason = _judge(
        tasks,
        better,
        share_cpu=vcpus / command.vcpus,
        share_memory=memory_mib / command.memory_mib,
    )
    if verdict == "fits":
        better = (command.cpu, command.memory_mib)
    return Fit(
        command.name, verdict, reason, tasks.running, command.cpu, command.memory_mib, *better
    )


def _judge(
    tasks: Tasks, better: tuple[int, int], *, share_cpu: float, share_memory: float
) -> tuple[Verdict, str]:
    command = tasks.command
    used = f"{share_cpu:.0%} of the CPU, {share_memory:.0%} of the memory"
    if tasks.is_short:
        return "too small", f"{used}; it wants {tasks.wanted} tasks, {command.most_tasks} may run"
    if share_memory > MOST_MEMORY:
        return "too small", f"{used}: above {MOST_MEMORY:.0%} of memory it may be killed"
    is_smaller = better[0] <= command.cpu and better[1] <= command.memory_mib
    if is_smaller and better != (command.cpu, command.memory_mib):
        return "too large", used
    return "fits", used


def _wanted(load: Workload, command: CommandShape, use: Use | None) -> int:
    if use is None:
        return command.least_tasks
    return math.ceil(_vcpus_of_load(load, use) / (command.vcpus * command.cpu_target))


def _vcpus_of_load(load: Workload, use: Use) -> float:
    return load.readings_per_second * (use.cpu_seconds_per_million_readings or 0.0) / 1e6


def _use(row: Mapping[str, Any]) -> Use:
    per_million = row["cpu_seconds_per_million_readings"]
    return Use(
        cpu_seconds_per_million_readings=None if per_million is None else float(per_million),
        idle_vcpus=float(row["idle_vcpus"]),
        peak_vcpus=float(row["peak_vcpus"]),
        rss_mib=float(row["rss_mib"]),
    )
