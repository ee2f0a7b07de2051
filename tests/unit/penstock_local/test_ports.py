import socket

import pytest
from penstock_local.ports import DEFAULT_PORTS, PortTaken, free_ports, require_free


def test_default_ports_are_all_different() -> None:
    assert len(set(DEFAULT_PORTS.values())) == len(DEFAULT_PORTS)


def test_free_ports_are_all_different_and_free() -> None:
    ports = free_ports(DEFAULT_PORTS)
    assert list(ports) == list(DEFAULT_PORTS)
    assert len(set(ports.values())) == len(ports)
    require_free(ports)


def test_a_taken_port_is_named_with_the_options_that_help() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            require_free({"front-door": port})
    assert f"port {port}" in str(caught.value)
    assert "front-door" in str(caught.value)
    assert "--ports free" in str(caught.value)
