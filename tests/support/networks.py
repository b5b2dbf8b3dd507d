"""No test reaches another host: whoever tries is refused at once."""

import socket
from typing import Any

import pytest

NOWHERE = "http://127.0.0.1:9"
"""The discard port, where nobody listens: the proxy of libraries that do not use Python's sockets."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class OutsideCall(AssertionError):
    """Something tried to reach another host."""


def forbid_outside_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sockets connect and names resolve on this host alone, and send libcurl to a proxy that does not exist."""
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            raise OutsideCall(f"a connection to {address[0]}")
        connect(self, address)

    def guarded_resolve(host: Any, *arguments: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and name not in LOOPBACK:
            raise OutsideCall(f"a look-up of {name}")
        return resolve(host, *arguments, **named)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_resolve)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, NOWHERE)
        monkeypatch.setenv(name.upper(), NOWHERE)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, ",".join(LOOPBACK))
