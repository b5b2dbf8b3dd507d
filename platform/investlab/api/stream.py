"""The stream's route: a WebSocket that is served by the connection manager."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from investlab.live.connections import PATH, ConnectionManager
from investlab.live.transport import TransportClosed


class SocketTransport:
    """A WebSocket as the live layer sees it."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def send(self, text: str) -> None:
        """Send one text frame; returns when the socket can take another.

        Raises:
            TransportClosed: The other side is gone.
        """
        try:
            await self._socket.send_text(text)
        except (WebSocketDisconnect, RuntimeError) as error:  # starlette's answer to sending after the close
            raise TransportClosed from error

    async def close(self, code: int, reason: str) -> None:
        """Close the socket.

        Raises:
            TransportClosed: The other side is gone.
        """
        try:
            await self._socket.close(code, reason)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise TransportClosed from error

    async def frames(self) -> AsyncIterator[str | bytes]:
        """Give what the client sends, until it disconnects."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            yield message.get("bytes", b"") if text is None else text


def stream_router(connections: ConnectionManager) -> APIRouter:
    """Return the router of `WS /v1/stream`; who may connect, and from which pages, the edge decides before."""
    router = APIRouter()

    @router.websocket(PATH)
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        transport = SocketTransport(socket)
        await connections.serve(transport, transport.frames())

    return router
