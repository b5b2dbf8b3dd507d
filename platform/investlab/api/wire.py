"""The server below ASGI: malformed requests are answered in our shape, and peers that never read are cut off."""

import asyncio
import logging
from http import HTTPStatus
from os import urandom
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.server import ServerProtocol

from investlab.api.answers import Pairs, dressed, problem_body, problem_headers
from investlab.api.translation import error_of_answer
from investlab.core.clock import SystemClock
from investlab.core.errors import BadRequest, InvestlabError
from investlab.schemas.errors import error_response

MOST_PINGS = 240
"""How many pings a peer may send between two of ours; as many as it may send frames."""

FAREWELL_SECONDS = 1.0
"""How long a peer that is cut off may take to read why."""

TOO_MANY = 1008
"""The close code of a peer that does not keep to what is allowed."""


class HttpProtocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, whose refusal of what is no HTTP is an `ErrorResponse`."""

    def send_400_response(self, msg: str) -> None:
        """Answer a request that cannot be parsed, and close the connection."""
        headers, body = _refusal(
            BadRequest("This is no HTTP request that can be read.", remedy="Check its first lines.")
        )
        lines = [STATUS_LINE[BadRequest.status], *(b"%s: %s\r\n" % pair for pair in headers), b"\r\n", body]
        self.transport.write(b"".join(lines))
        self.transport.close()


class Handshake(ServerProtocol):
    """The WebSocket handshake, whose refusals are an `ErrorResponse`."""

    def reject(self, status: HTTPStatus | int, text: str) -> Response:
        """Return the answer that refuses the handshake; the text, which repeats what was sent, is left out."""
        error = error_of_answer(int(status), b"", method="", allowed="GET")
        if type(error) is BadRequest:
            error = BadRequest(
                "The WebSocket handshake cannot be used.",
                remedy="Send `Sec-WebSocket-Version: 13` and a `Sec-WebSocket-Key` of 16 bytes in base64.",
            )
        headers, body = _refusal(error)
        given = Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
        return Response(error.status, HTTPStatus(error.status).phrase, given, body)


class SocketProtocol(WebSocketsSansIOProtocol):
    """WebSockets as uvicorn speaks them, but for peers that send and never read.

    Pings are answered below the application and below its queues. Nothing is written to a peer that takes nothing, but
    for the last pong it is owed; one that pings without end is cut off, and so is one that does not let go of a
    connection that has ended, for a transport that is closed in the ordinary way waits for its reader for ever.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = Handshake(max_size=config.ws_max_size, logger=logging.getLogger("uvicorn.error"))
        self._pings = 0
        self._owed = b""
        self._end: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Take what was sent; a handshake that cannot be parsed is answered as well."""
        super().data_received(data)
        if self.handshake_initiated or self.conn.handshake_exc is None:
            return
        answer = b"".join(self.conn.data_to_send()) or self.conn.reject(BadRequest.status, "").serialize()
        self.handshake_complete = self.close_sent = True
        self.transport.write(answer)
        self.transport.close()

    def handle_ping(self) -> None:
        """Answer a ping as soon as the peer takes the answer."""
        answers = self.conn.data_to_send()
        self._pings += 1
        if self._pings > MOST_PINGS:
            self.conn.fail(TOO_MANY, "too many pings")
            self._cut()
        elif self.writable.is_set():
            self.transport.write(b"".join(answers))
        elif answers:
            self._owed = bytes(answers[-1])

    def resume_writing(self) -> None:
        """Send the pong that is owed, now that the peer reads again."""
        super().resume_writing()
        if self._owed and not self.close_sent:
            self.transport.write(self._owed)
        self._owed = b""

    def send_keepalive_ping(self) -> None:
        """Ping the peer, and count its own pings anew."""
        self._pings = 0
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        """Cut off a peer that did not answer in time."""
        super().keepalive_timeout()
        self._cut()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Give the peer of a connection that has ended a while to let go of it."""
        super().on_task_complete(task)
        if not self.disconnected and self._end is None:
            self._end = self.loop.call_later(self.close_timeout, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the connection."""
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)

    def _cut(self) -> None:
        """Say why, if the peer takes anything, and abort."""
        self.close_sent = True
        if not self.writable.is_set():
            self.transport.abort()
            return
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()
        self._end = self.loop.call_later(FAREWELL_SECONDS, self.transport.abort)


def _refusal(error: InvestlabError) -> tuple[Pairs, bytes]:
    """Return headers and body of an answer that no request belongs to."""
    request_id = urandom(16).hex()
    body = problem_body(error_response(error, request_id=request_id, instance="", at=SystemClock().now()))
    return dressed([*problem_headers(error, body), (b"connection", b"close")], request_id.encode()), body
