"""Listening sockets."""

import socket

import pytest

from investlab.core.errors import Conflict, InvalidInput
from investlab.core.ports import listen, port_of, require_loopback


def test_a_taken_default_gives_way_to_a_free_port() -> None:
    with listen("127.0.0.1", None, 0) as first, listen("127.0.0.1", None, port_of(first)) as second:
        assert port_of(second) not in (0, port_of(first))


def test_a_free_default_is_taken() -> None:
    with listen("127.0.0.1", None, 0) as probe:
        port = port_of(probe)
    with listen("127.0.0.1", None, port) as found:
        assert port_of(found) == port


def test_a_port_that_was_asked_for_is_never_exchanged() -> None:
    with listen("127.0.0.1", None, 0) as first:
        port = port_of(first)
        with pytest.raises(Conflict, match=f"Port {port} on 127.0.0.1 is taken"):
            listen("127.0.0.1", port, 0)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org", ""])
def test_a_host_that_others_can_reach_is_refused(host: str) -> None:
    with pytest.raises(InvalidInput, match="would expose the platform"):
        listen(host, None, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_is_fine(host: str) -> None:
    require_loopback(host)


def test_connections_are_accepted() -> None:
    with listen("127.0.0.1", None, 0) as found, socket.create_connection(("127.0.0.1", port_of(found)), timeout=5):
        found.settimeout(5)
        accepted, _ = found.accept()
        accepted.close()
