"""The gateway's server: one process, one worker, on a socket that is listening already."""

import asyncio
import gc
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn

from investlab.api.gateway import gateway_app, prepare_bentoml
from investlab.api.runtime import GatewayRuntime
from investlab.api.wire import HttpProtocol, SocketProtocol
from investlab.core.config import Settings
from investlab.live.connections import ConnectionManager
from investlab.services.replay_walk import warm_replay

GRACE_SECONDS = 2
"""How long requests get to end after SIGTERM; with what is closed after them a stop stays within three seconds."""

FAREWELL_SECONDS = 0.5
PAUSE_SECONDS = 0.01
KEEP_ALIVE_SECONDS = 75
LONGEST_FRAME_BYTES = 64 * 2**10
QUEUED_CONNECTIONS = 2048


def serve(settings: Settings, listening: socket.socket) -> None:
    """Serve the gateway until SIGTERM or SIGINT.

    Raises:
        InvalidSettings: No access token is set.
        NotFound: The folder of the bentos holds no service.
        StorageUnavailable: The home or its database cannot be written.
    """
    prepare_bentoml(settings.home_path)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # at INFO it tells a socket's query, token and all
    runtime = GatewayRuntime.open(settings)
    server = GatewayServer(server_config(gateway_app(settings, runtime)), runtime.hub.connections)
    warm_replay(runtime.workspace.context)
    settle_memory()
    server.run(sockets=[listening])


class GatewayServer(uvicorn.Server):
    """Tells the stream's clients that it is going away before uvicorn closes their sockets as if in trouble."""

    def __init__(self, config: uvicorn.Config, connections: ConnectionManager) -> None:
        super().__init__(config)
        self._connections = connections

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the stream's connections, then everything else."""
        self._connections.shut()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                while len(self._connections):
                    await asyncio.sleep(PAUSE_SECONDS)
        await super().shutdown(sockets)


def settle_memory() -> None:
    """Take what was made so far out of the garbage collector's sight.

    It is there for as long as the process, some hundred thousand objects of imported libraries; LightGBM's calls leave
    cycles behind, and each full collection that they bring about would walk through all of them.
    """
    gc.collect()
    gc.freeze()


def server_config(app: Callable[..., Any]) -> uvicorn.Config:
    """Return how the gateway's application is served: our protocols, no headers or lines of the server's own."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=HttpProtocol,
        ws=SocketProtocol,
        ws_per_message_deflate=False,
        ws_max_size=LONGEST_FRAME_BYTES,
        lifespan="on",
        workers=1,
        backlog=QUEUED_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
    )
