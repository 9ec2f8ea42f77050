"""Where the page is served."""

from __future__ import annotations

import socket

import pytest

from polyfield.errors import InputError
from polyfield.viewer.address import free_port, ssh_line, url


def test_a_port_in_use_gives_way_to_the_next() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = free_port("127.0.0.1", port)
        assert port < found < port + 50
    assert free_port("127.0.0.1", port) == port


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_is_a_port(port: int) -> None:
    with pytest.raises(InputError, match="port: found"):
        free_port("localhost", port)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7", "x" * 300])
def test_an_address_of_another_machine_is_refused_by_name(host: str) -> None:
    with pytest.raises(InputError, match="another address of this machine"):
        free_port(host, 8080)


def test_addresses_can_be_opened() -> None:
    assert url("localhost", 80) == "http://localhost:80"
    assert url("0.0.0.0", 80) == "http://localhost:80"
    assert url("fe80::1", 80) == "http://[fe80::1]:80"
    assert "-L 81:localhost:81" in ssh_line(81)
