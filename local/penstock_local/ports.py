"""Ports of the embedded stack: fixed ones that people learn, free ones for tests."""

import os
import random
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from penstock.resources import COMMANDS

LOOPBACK = "127.0.0.1"
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - for inside a container, whose network is its own

DEFAULT_PORTS: Mapping[str, int] = {
    "front-door": 8080,
    **{command.name: command.port for command in COMMANDS},
    "aws": 4566,
    "sagemaker": 4567,
    "postgres": 54321,
    "snowflake": 4800,
    "traces": 4318,
}


class PortTaken(Exception):
    """Something else listens where a part of the stack wants to."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        super().__init__(
            f"port {port}, which {name} wants, is taken by another program: end that program, or "
            f"start with `--port {name}=<another>`, or with `--ports free` to take any free ones"
        )


Draw = Callable[[int, int], int]
"""Draws a number of `[first, last)` by lot."""

# Of its own: tests seed the common chance, alike in every process.
_CHANCE = random.SystemRandom()
_TRIES = 200
_LOWEST = 10_000
_MOST_RESERVED = 256
_RESERVED: deque[int] = deque()
"""Descriptors that mark the ports given away last, open as long as this process lives."""


def free_ports(names: Iterable[str], *, draw: Draw = _CHANCE.randrange) -> dict[str, int]:
    """A free port for each name, all different, and kept from others who ask for free ones.

    Where the kernel tells which ports it gives away by itself, they are none of those: between here
    and the part's own start no client and no server on port 0 gets one. Only a program that wants
    just this port may take it; the part then fails as with any taken port.
    """
    with ExitStack() as held:
        return {name: _held_port(held, draw) for name in names}


def free_port() -> int:
    """One free port."""
    return free_ports(["any"])["any"]


def _held_port(held: ExitStack, draw: Draw) -> int:
    """A port that is bound until `held` ends, so that the next one is another."""
    given_away_from = _first_of_the_kernels()
    for _ in range(_TRIES if given_away_from > _LOWEST else 0):
        port = draw(_LOWEST, given_away_from)
        listener = held.enter_context(socket.socket())
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            continue
        if _reserve(port):
            return port
    listener = held.enter_context(socket.socket())
    listener.bind((LOOPBACK, 0))
    return int(listener.getsockname()[1])


def _first_of_the_kernels() -> int:
    """The lowest port that the kernel gives to clients and to servers on port 0; 0 if unknown."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        return 0


def _reserve(port: int) -> bool:
    """Mark a port for other processes that look for free ones; tell whether nobody had done so."""
    if sys.platform != "linux":
        return True
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        # A name without a file, in the same network as the port; it goes with this process.
        mark.bind(f"\0penstock-port-{port}")
    except OSError:
        mark.close()
        return False
    _RESERVED.append(mark.detach())
    while len(_RESERVED) > _MOST_RESERVED:
        os.close(_RESERVED.popleft())
    return True


def require_free(ports: Mapping[str, int]) -> None:
    """Raise PortTaken for the first port where somebody listens."""
    for name, port in ports.items():
        with socket.socket() as listener:
            # As servers do it: connections of an earlier run that are still closing don't count.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((LOOPBACK, port))
            except OSError as error:
                raise PortTaken(name, port) from error
