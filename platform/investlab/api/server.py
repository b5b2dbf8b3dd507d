"""The gateway's server: one process, one worker, on a socket that is listening already."""

import gc
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from investlab.api.gateway import gateway_app, prepare_bentoml
from investlab.api.runtime import GatewayRuntime
from investlab.core.config import Settings

GRACE_SECONDS = 2
"""How long requests get to end after SIGTERM; with what is closed after them a stop stays within three seconds."""

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
    runtime = GatewayRuntime.open(settings)
    server = uvicorn.Server(server_config(gateway_app(settings, runtime)))
    settle_memory()
    server.run(sockets=[listening])


def settle_memory() -> None:
    """Take what was made so far out of the garbage collector's sight.

    It is there for as long as the process, some hundred thousand objects of imported libraries; LightGBM's calls leave
    cycles behind, and each full collection that they bring about would walk through all of them.
    """
    gc.collect()
    gc.freeze()


def server_config(app: Callable[..., Any]) -> uvicorn.Config:
    """Return how the gateway's application is served: the fast protocols, no headers or lines of the server's own."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
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
