"""The stream's socket as the live layer sees it."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from fastapi import WebSocket, WebSocketDisconnect

from investlab.api.stream import SocketTransport, stream_router
from investlab.live.connections import PATH
from investlab.live.transport import TransportClosed
from tests.support.streams import make_hub


class FakeSocket:
    """A WebSocket whose messages are scripted and which may be gone."""

    def __init__(self, messages: Sequence[dict[str, Any]] = (), error: Exception | None = None) -> None:
        self.messages = list(messages)
        self.error = error
        self.sent: list[str] = []
        self.closed: tuple[int, str] | None = None

    async def send_text(self, text: str) -> None:
        self._fail()
        self.sent.append(text)

    async def close(self, code: int, reason: str) -> None:
        self._fail()
        self.closed = (code, reason)

    async def receive(self) -> dict[str, Any]:
        return self.messages.pop(0)

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


def _transport(socket: FakeSocket) -> SocketTransport:
    return SocketTransport(cast("WebSocket", socket))


def test_it_sends_and_closes() -> None:
    socket = FakeSocket()
    asyncio.run(_transport(socket).send("text"))
    asyncio.run(_transport(socket).close(1001, "bye"))
    assert (socket.sent, socket.closed) == (["text"], (1001, "bye"))


@pytest.mark.parametrize("error", [WebSocketDisconnect(1006), RuntimeError("close message has been sent")])
def test_a_socket_that_is_gone_is_told_in_our_words(error: Exception) -> None:
    transport = _transport(FakeSocket(error=error))
    with pytest.raises(TransportClosed):
        asyncio.run(transport.send("text"))
    with pytest.raises(TransportClosed):
        asyncio.run(transport.close(1000, ""))


def test_it_gives_text_and_bytes_until_the_client_disconnects() -> None:
    socket = FakeSocket(
        [
            {"type": "websocket.receive", "text": "a"},
            {"type": "websocket.receive", "bytes": b"b"},
            {"type": "websocket.disconnect", "code": 1000},
        ]
    )

    async def scenario() -> list[str | bytes]:
        return [frame async for frame in _transport(socket).frames()]

    assert asyncio.run(scenario()) == ["a", b"b"]


def test_the_route_has_its_documented_address() -> None:
    hub = asyncio.run(make_hub())
    assert [getattr(route, "path", "") for route in stream_router(hub.connections).routes] == [PATH] == ["/v1/stream"]
