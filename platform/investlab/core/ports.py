"""Listening sockets: the default port or a free one, never silently another than the one asked for."""

import errno
import ipaddress
import socket

from investlab.core.errors import Conflict, InvalidInput

BACKLOG = 2048


def require_loopback(host: str) -> None:
    """Check that a host is this machine only.

    Raises:
        InvalidInput: It is reachable from elsewhere.
    """
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise InvalidInput(
            f"Listening on {host!r} would expose the platform, and it has neither users nor TLS.",
            remedy="Listen on 127.0.0.1 and put a proxy with TLS and sign-in in front.",
        )


def listen(host: str, port: int | None, default: int) -> socket.socket:
    """Return a listening socket on `port`; when none is asked for, on `default` or, if that is taken, a free port.

    Raises:
        Conflict: The port asked for is taken.
        InvalidInput: The host is not this machine.
    """
    require_loopback(host)
    if port is not None:
        return _bound(host, port)
    try:
        return _bound(host, default)
    except Conflict:
        return _bound(host, 0)


def port_of(listening: socket.socket) -> int:
    """Return the port that a socket listens on."""
    port: int = listening.getsockname()[1]
    return port


def _bound(host: str, port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise Conflict(
                f"Port {port} on {host} is taken.", remedy="Stop what uses it, or ask for another port."
            ) from error
        raise InvalidInput(f"{host}:{port} cannot be listened on: {error.strerror}.") from error
    return found
