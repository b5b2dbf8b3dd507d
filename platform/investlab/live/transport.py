"""What a connection needs of its socket, and the codes it closes with."""

from enum import IntEnum
from typing import Protocol


class CloseCode(IntEnum):
    """Why the server closes a stream; those below 4000 are those of RFC 6455."""

    NORMAL = 1000
    """The client asked for it."""
    GOING_AWAY = 1001
    """The server is stopping; connect again later."""
    POLICY = 1008
    """Too many malformed frames, or too many frames."""
    TOO_BIG = 1009
    """A frame was longer than allowed."""
    INTERNAL = 1011
    """The server failed; connect again."""
    OVERLOADED = 1013
    """Too many connections, or the client reads too slowly; connect again later."""
    UNAUTHORIZED = 4401
    """No credential was shown, or a wrong one."""
    MISSED_HEARTBEATS = 4408
    """Two heartbeats in a row were not answered with a pong."""


class Transport(Protocol):
    """A socket as the live layer sees it; both methods may raise `TransportClosed`."""

    async def send(self, text: str) -> None:
        """Send one text frame; returns when the socket can take another."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close the socket."""
        ...


class TransportClosed(Exception):
    """The other side is gone."""
