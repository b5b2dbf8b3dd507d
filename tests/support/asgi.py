"""Calls to ASGI applications without a server, and small applications to put behind the edge."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from investlab.api.edge import Edge
from investlab.api.policy import EdgePolicy
from investlab.core.clock import FixedClock
from investlab.core.credentials import Credentials
from investlab.schemas.errors import ErrorResponse

TOKEN = "a-token-of-the-tests"
CREDENTIALS = Credentials.of(TOKEN, Path("/home-of-the-tests"))
ORIGIN = "http://127.0.0.1:8421"
HOST = "127.0.0.1:8420"
POLICY = EdgePolicy(CREDENTIALS, origins=frozenset({ORIGIN}), max_body_bytes=1000, deadline_seconds=20.0)
BEARER = {"authorization": f"Bearer {TOKEN}"}
COOKIE = {"cookie": f"other=1; {CREDENTIALS.cookie_name}={CREDENTIALS.cookie_value}"}
JSON = {"content-type": "application/json"}
AT = datetime(2024, 1, 2, 12, tzinfo=UTC)


@dataclass(slots=True)
class Answer:
    """What came back; `messages` are the raw ones, `unread` the body messages that the application left."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    unread: int = 0

    @property
    def start(self) -> dict[str, Any]:
        return next(m for m in self.messages if m["type"].endswith("http.response.start"))

    @property
    def status(self) -> int:
        return int(self.start["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode("latin-1") for name, value in self.start["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.messages if m["type"].endswith("http.response.body"))

    @property
    def problem(self) -> ErrorResponse:
        """The answer as an error response; fails when it is none, or is inconsistent."""
        assert self.headers["content-type"] == "application/problem+json", self.body
        found = ErrorResponse.model_validate_json(self.body)
        assert found.status == self.status
        assert found.request_id == self.headers["x-request-id"]
        assert found.type == f"/problems/{found.code}"
        return found


def edged(app: Any, policy: EdgePolicy = POLICY) -> Edge:
    """Put an application behind the edge, with a clock that stands still."""
    return Edge(app, policy=policy, clock=FixedClock(AT))


def request(
    app: Any,
    method: str = "GET",
    path: str = "/v1/thing",
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = BEARER,
    *,
    query: str = "",
    chunks: Sequence[bytes] = (),
    declared: bool = True,
    leaves: bool = False,
) -> Answer:
    """Send one request; `declared` gives a body its length, `leaves` ends it by a disconnect instead."""
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    if not any(name == "host" for name, _ in pairs):
        pairs.insert(0, ("host", HOST))
    if chunks:
        length = sum(len(chunk) for chunk in chunks)
        pairs.append(("content-length", str(length)) if declared else ("transfer-encoding", "chunked"))
    scope = _scope("http", path, pairs, query) | {"method": method}
    last = len(chunks) - 1
    waiting: list[dict[str, Any]] = [
        {"type": "http.request", "body": chunk, "more_body": n < last or leaves} for n, chunk in enumerate(chunks)
    ]
    return _run(app, scope, waiting or [{"type": "http.request", "body": b"", "more_body": False}])


def upgrade(
    app: Any,
    path: str = "/v1/stream",
    headers: Mapping[str, str] = BEARER,
    *,
    query: str = "",
    refusals: bool = True,
    frames: Sequence[str] = (),
) -> Answer:
    """Ask for a WebSocket, send frames and leave; `refusals` says whether the server can refuse with an answer."""
    pairs = [("host", HOST), *headers.items()] if "host" not in headers else list(headers.items())
    extensions: dict[str, dict[str, Any]] = {"websocket.http.response": {}} if refusals else {}
    scope = _scope("websocket", path, pairs, query) | {"extensions": extensions, "subprotocols": []}
    sent = [{"type": "websocket.receive", "text": text} for text in frames]
    return _run(app, scope, [{"type": "websocket.connect"}, *sent, {"type": "websocket.disconnect", "code": 1000}])


def _scope(kind: str, path: str, headers: Sequence[tuple[str, str]], query: str) -> dict[str, Any]:
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "path": path,
        "raw_path": path.encode(errors="replace"),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8420),
        "state": {},
    }


def _run(app: Any, scope: dict[str, Any], waiting: list[dict[str, Any]]) -> Answer:
    answer = Answer()

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        return {"type": "http.disconnect" if scope["type"] == "http" else "websocket.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        answer.messages.append(message)

    asyncio.run(app(scope, receive, send))
    answer.unread = len(waiting)
    return answer


@dataclass(slots=True)
class Echo:
    """Answers with the body it got, accepts every WebSocket, and remembers the scopes it saw."""

    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=lambda: [(b"content-type", b"application/json")])
    body: bytes | None = None
    scopes: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            return
        message = await receive()
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        body = message.get("body", b"") if self.body is None else self.body
        await send({"type": "http.response.body", "body": body[:5], "more_body": True})
        await send({"type": "http.response.body", "body": body[5:]})


@dataclass(frozen=True, slots=True)
class Failing:
    """Raises an error, before or after its answer began."""

    error: BaseException
    begins: bool = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Fail."""
        if self.begins:
            kind = "websocket.accept" if scope["type"] == "websocket" else "http.response.start"
            await send({"type": kind, "status": 200, "headers": []})
        raise self.error


def as_json(value: object) -> bytes:
    """Return a value as JSON bytes."""
    return json.dumps(value).encode()
