"""One request and its answer as the edge sees them: error answers from below are held back and replaced."""

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from investlab.api.answers import (
    LONGEST_INSTANCE,
    METHOD_NOT_ALLOWED,
    Pairs,
    dressed,
    is_problem,
    printable,
    problem_body,
    problem_headers,
)
from investlab.api.translation import error_of_answer, error_of_close, unexpected
from investlab.core.clock import Clock
from investlab.core.errors import InvestlabError
from investlab.schemas.errors import error_response

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
MOST_HELD_BYTES = 64 * 1024
FIRST_ERROR = 400
ACCEPTED = 101
INTERNAL = 1011
"""The close code of a server that failed."""

ERROR_STATE = "investlab.error"
"""A layer that cannot let an error of ours through leaves it in the scope's state under this name."""

REJECT_EXTENSION = "websocket.http.response"


@dataclass(slots=True)
class Held:
    """An error answer of something below, kept until it is replaced."""

    status: int
    headers: Pairs
    body: bytearray = field(default_factory=bytearray)

    def error(self, method: str) -> InvestlabError:
        """Return the error that it stands for."""
        return error_of_answer(self.status, bytes(self.body), method=method, allowed=self.allowed.decode("latin-1"))

    @property
    def allowed(self) -> bytes:
        """Return what the Allow header says."""
        return next((value for name, value in self.headers if name == b"allow"), b"")


class Exchange:
    """What happens between one request and the end of its answer."""

    __slots__ = ("_clock", "_held", "_send", "begun", "ended", "id", "is_socket", "scope", "started", "status")

    def __init__(self, scope: Scope, send: Send, request_id: str, clock: Clock) -> None:
        self.scope = scope
        self.id = request_id
        self.is_socket = scope["type"] == "websocket"
        self.started = perf_counter()
        self.begun = False
        """Whether an answer is on its way, or the socket accepted."""
        self.ended = False
        self.status = 0
        self._send = send
        self._clock = clock
        self._held: Held | None = None

    async def send(self, message: Message) -> None:
        """Pass on what comes from below, with our headers; hold back error answers that are not ours."""
        kind = message["type"]
        if kind in ("http.response.start", "websocket.http.response.start"):
            await self._start(message)
        elif kind in ("http.response.body", "websocket.http.response.body"):
            await self._continue(message)
        elif kind == "websocket.accept":
            await self._begin(message, ACCEPTED)
        elif kind == "websocket.close" and not self.begun:
            await self.fail(error_of_close(message.get("code", 1000)))
        else:
            self.ended = self.ended or kind == "websocket.close"
            await self._send(message)

    async def complete(self) -> None:
        """Replace what was held back, or answer for who did not, now that nothing below has more to say."""
        if self.begun:
            return
        left = self.scope["state"].get(ERROR_STATE)
        if isinstance(left, InvestlabError):
            await self.fail(left)
        else:
            await self.fail(self._held.error(self.scope.get("method", "")) if self._held else unexpected())

    async def fail(self, error: InvestlabError) -> None:
        """Answer with an error; where an answer is on its way already, an accepted socket is closed."""
        if self.begun:
            if self.status == ACCEPTED and not self.ended:
                self.ended = True
                with suppress(RuntimeError, OSError):  # the client may have left before
                    await self._send({"type": "websocket.close", "code": INTERNAL, "reason": unexpected().detail})
            return
        response = error_response(
            error,
            request_id=self.id,
            instance=printable(self.scope["path"])[:LONGEST_INSTANCE],
            at=self._clock.now(),
        )
        body = problem_body(response.model_copy(update={"detail": printable(response.detail)}))
        headers = problem_headers(error, body)
        if error.status == METHOD_NOT_ALLOWED and self._held is not None and self._held.allowed:
            headers.append((b"allow", self._held.allowed))
        await self.answer(error.status, headers, body)

    async def answer(self, status: int, headers: Pairs, body: bytes) -> None:
        """Send a whole answer; a WebSocket is refused with it, or closed where the server cannot do that."""
        if self.is_socket and REJECT_EXTENSION not in self.scope.get("extensions", {}):
            self.begun, self.status = True, status
            await self._send({"type": "websocket.close", "code": 4000 + status, "reason": "refused"})
            return
        prefix = "websocket." if self.is_socket else ""
        await self._begin({"type": f"{prefix}http.response.start", "status": status, "headers": headers}, status)
        await self._send({"type": f"{prefix}http.response.body", "body": body})

    async def _start(self, message: Message) -> None:
        status, headers = message["status"], list(message.get("headers", ()))
        if status >= FIRST_ERROR and not is_problem(headers):
            self._held = Held(status, headers)
        else:
            await self._begin({**message, "headers": headers}, status)

    async def _continue(self, message: Message) -> None:
        if self._held is None:
            await self._send(message)
        elif len(self._held.body) < MOST_HELD_BYTES:
            self._held.body += message.get("body", b"")[:MOST_HELD_BYTES]

    async def _begin(self, message: Message, status: int) -> None:
        self.begun, self.status = True, status
        message["headers"] = dressed(message.get("headers", ()), self.id.encode("ascii"))
        await self._send(message)
