import socket
import subprocess
import sys
from pathlib import Path

import pytest
from penstock_local.ports import DEFAULT_PORTS, PortTaken, free_port, free_ports, require_free


def test_default_ports_are_all_different() -> None:
    assert len(set(DEFAULT_PORTS.values())) == len(DEFAULT_PORTS)


def test_free_ports_are_all_different_and_free() -> None:
    ports = free_ports(DEFAULT_PORTS)
    assert list(ports) == list(DEFAULT_PORTS)
    assert len(set(ports.values())) == len(ports)
    require_free(ports)


KERNEL = Path("/proc/sys/net/ipv4/ip_local_port_range")
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells its range")


@ON_LINUX
def test_a_free_port_is_none_that_the_kernel_gives_away() -> None:
    first, last = map(int, KERNEL.read_text().split())
    assert not [port for port in free_ports(DEFAULT_PORTS).values() if first <= port <= last]


@ON_LINUX
def test_no_other_process_is_given_a_port_that_nobody_listens_on_yet() -> None:
    mine = free_ports(map(str, range(40)))
    program = (
        "import random, sys\n"
        "from penstock_local.ports import free_ports\n"
        "taken = [int(word) for word in sys.argv[1:]]\n"
        "draw = lambda *span: taken.pop() if taken else random.randrange(*span)\n"
        "print(free_ports(['any'], draw=draw)['any'], len(taken))\n"
    )
    given = subprocess.run(  # noqa: S603  # our own words
        [sys.executable, "-c", program, *map(str, mine.values())],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    port, not_tried = map(int, given.stdout.split())
    assert (port in mine.values(), not_tried) == (False, 0)


def test_so_many_ports_may_be_asked_for_as_anybody_likes() -> None:
    assert all(free_port() for _ in range(600))


def test_a_taken_port_is_named_with_the_options_that_help() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            require_free({"front-door": port})
    assert f"port {port}" in str(caught.value)
    assert "front-door" in str(caught.value)
    assert "--ports free" in str(caught.value)
