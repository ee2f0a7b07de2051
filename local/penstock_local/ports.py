"""Ports of the embedded stack: fixed ones that people learn, free ones for tests."""

import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack

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


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """A free port for each name, all different.

    Another program may take one before the part does; the part then fails as with any taken port.
    """
    with ExitStack() as held:
        ports = {}
        for name in names:
            listener = held.enter_context(socket.socket())
            listener.bind((LOOPBACK, 0))
            ports[name] = int(listener.getsockname()[1])
        return ports


def free_port() -> int:
    """One free port."""
    return free_ports(["any"])["any"]


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
