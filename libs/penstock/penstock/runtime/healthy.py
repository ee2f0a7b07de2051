"""Health check of a container: `python -m penstock.runtime.healthy [path] [--port N]`.

Exit 0 when the server in this container answers the path, `/healthz` by default, with anything
below 500. It runs every few seconds in every container, so it imports next to nothing; and it finds
the port by itself, for one image has several commands. In a container that is easy: a server that
others can reach is the one that listens on all addresses.
"""

import argparse
import socket
import sys
from pathlib import Path

_LISTENS = "0A"
_ALL_ADDRESSES = {"00000000", "0" * 32}
_TIMEOUT_SECONDS = 2.0


def main() -> None:
    """Ask once; end with a sentence where the answer is not a good one."""
    parser = argparse.ArgumentParser(prog="penstock.runtime.healthy", description=__doc__)
    parser.add_argument("path", nargs="?", default="/healthz")
    parser.add_argument("--port", type=int, help="where others listen on all addresses too")
    options = parser.parse_args()
    port = options.port or _port_of_this_container()
    try:
        status = answer_of(port, options.path)
    except (OSError, ValueError) as error:
        sys.exit(f"port {port} does not answer {options.path}: {error}")
    if status >= 500:
        sys.exit(f"port {port} answers {options.path} with {status}")


def _port_of_this_container() -> int:
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if Path(table).exists():
            ports |= ports_for_all(Path(table).read_text())
    if len(ports) != 1:
        found = ", ".join(map(str, sorted(ports))) or "none"
        sys.exit(f"one port that listens on all addresses is needed, and there are {found}")
    return ports.pop()


def ports_for_all(table: str) -> set[int]:
    """Ports on which somebody listens on all addresses, out of a table of Linux's connections."""
    ports = set()
    for line in table.splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        address, _, port = local.partition(":")
        if state == _LISTENS and address in _ALL_ADDRESSES:
            ports.add(int(port, 16))
    return ports


def answer_of(port: int, path: str) -> int:
    """Status of a GET on loopback; raise OSError or ValueError where there is none."""
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            first = answer.readline().decode("latin-1").split(" ")
    if len(first) < 2 or not first[0].startswith("HTTP/"):
        raise ValueError("this is no answer of HTTP")
    return int(first[1])


if __name__ == "__main__":
    main()
