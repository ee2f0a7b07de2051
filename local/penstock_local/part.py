"""A part: one process of the stack, as data."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class HttpReady:
    """Ready when a GET answers 200."""

    url: str


@dataclass(frozen=True, slots=True)
class TcpReady:
    """Ready when somebody listens on loopback."""

    port: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A part that does its work and ends: ready when it ended with status 0.

    It runs again whenever a part that it depends on was restarted.
    """


ReadyCheck: TypeAlias = Callable[[], Awaitable[bool]]
Ready: TypeAlias = HttpReady | TcpReady | Finished | ReadyCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """How a part that ended by itself comes back."""

    first_delay_seconds: float = 0.5
    ceiling_seconds: float = 30.0
    calm_after_seconds: float = 60.0
    """A run this long was a good one: the delays begin anew."""
    attempts_to_start: int = 3
    """So many failures before it was ever ready mean that it can't start at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What to run, how to tell that it is ready, and how to end it."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ready: Ready
    port: int | None = None
    endpoint: str = ""
    """How others reach it, for people and for `stack.json`."""
    depends_on: tuple[str, ...] = ()
    start_timeout_seconds: float = 180.0
    stop_timeout_seconds: float = 10.0
    restart: RestartPolicy = field(default_factory=RestartPolicy)


def delay_before_restart(policy: RestartPolicy, *, failures: int, jitter: float) -> float:
    """Seconds to wait after so many failures in a row; `jitter` in 0..1 takes off up to half."""
    longest = policy.first_delay_seconds * 2.0 ** min(failures - 1, 30)
    return min(longest, policy.ceiling_seconds) * (1 - jitter / 2)


def in_order(parts: Iterable[Part]) -> list[list[Part]]:
    """Generations of parts: each needs only earlier ones, so the parts of one start together."""
    by_name = {part.name: part for part in parts}
    for part in by_name.values():
        for needed in part.depends_on:
            if needed not in by_name:
                raise ValueError(f"part {part.name} depends on {needed}, which is not there")
    sorter = TopologicalSorter({part.name: part.depends_on for part in by_name.values()})
    try:
        sorter.prepare()
    except CycleError as error:
        raise ValueError(f"parts depend on each other in a circle: {error.args[1]}") from error
    generations = []
    while sorter.is_active():
        names = sorter.get_ready()
        generations.append([by_name[name] for name in sorted(names)])
        sorter.done(*names)
    return generations


def with_dependencies(parts: Iterable[Part], names: Iterable[str]) -> list[Part]:
    """The named parts and all that they need, in the order of `parts`."""
    by_name = {part.name: part for part in parts}
    wanted: set[str] = set()
    missing = list(names)
    while missing:
        name = missing.pop()
        if name not in by_name:
            raise ValueError(f"no part is called {name!r}; there are {', '.join(by_name)}")
        if name not in wanted:
            wanted.add(name)
            missing.extend(by_name[name].depends_on)
    return [part for part in by_name.values() if part.name in wanted]
