"""A real server of the stream on a free port, and clients of it, all in one event loop."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.server import ServerState
from websockets.asyncio.client import ClientConnection, connect

from investlab.api.edge import Edge
from investlab.api.policy import EdgePolicy
from investlab.api.stream import stream_router
from investlab.api.wire import HttpProtocol, SocketProtocol
from investlab.core.credentials import Credentials
from investlab.live.hub import Hub
from tests.support.streams import make_hub

TOKEN = "a-token-of-the-tests"
DEADLINE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class StreamServer:
    """A running server and its hub."""

    hub: Hub
    port: int
    state: ServerState

    @property
    def sockets(self) -> list[SocketProtocol]:
        """The WebSocket connections that the server has open, whatever became of them above."""
        return [open_ for open_ in self.state.connections if isinstance(open_, SocketProtocol)]

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/stream"

    def connect(self, token: str | None = TOKEN, **options: Any) -> connect:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return connect(self.url, additional_headers=headers, proxy=None, compression=None, **options)

    async def empties(self) -> None:
        """Wait until no connection is left."""

        async def wait() -> None:
            while len(self.hub.connections):
                await asyncio.sleep(0.01)

        await asyncio.wait_for(wait(), DEADLINE_SECONDS)


@asynccontextmanager
async def serving_stream(*, keepalive_seconds: float = 20.0, **limits: Any) -> AsyncIterator[StreamServer]:
    """Serve a hub of its own behind the edge."""
    hub = await make_hub(**limits)
    app = FastAPI()
    app.include_router(stream_router(hub.connections))
    policy = EdgePolicy(Credentials(TOKEN, "cookie"), frozenset({"http://127.0.0.1:9999"}))
    config = uvicorn.Config(
        Edge(app, policy=policy),
        http=HttpProtocol,
        ws=SocketProtocol,
        ws_max_size=2**20,
        ws_ping_interval=keepalive_seconds,
        ws_ping_timeout=keepalive_seconds,
        ws_per_message_deflate=False,
        log_level="error",
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        running = asyncio.create_task(server.serve([listening]))
        try:
            yield StreamServer(hub, listening.getsockname()[1], server.server_state)
        finally:
            hub.connections.shut()
            server.should_exit = True
            await running


async def receive(client: ClientConnection, kind: str | None = None) -> dict[str, Any]:
    """Return the next frame, of a kind if one is named."""
    while True:
        frame: dict[str, Any] = json.loads(await asyncio.wait_for(client.recv(), DEADLINE_SECONDS))
        if kind is None or frame["kind"] == kind:
            return frame


async def subscribe(client: ClientConnection, *topics: str, last: dict[str, Any] | None = None) -> None:
    """Subscribe and wait until it counts."""
    await client.send(json.dumps({"action": "subscribe", "topics": topics, "last": last or {}}))
    await receive(client, "subscribed")
