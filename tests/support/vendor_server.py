"""A local server in the place of a vendor's: it answers on the loopback address, and fails when it is told to."""

import json
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

GARBAGE = b"<html><body>Service temporarily unavailable</body></html>"


@dataclass(slots=True)
class MovedClock:
    """A clock that stands still unless somebody waits."""

    at: datetime = datetime(2026, 3, 2, 15, tzinfo=UTC)
    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        """Return the time."""
        return self.at

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.waits.append(seconds)
        self.at += timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the server saw it."""

    path: str
    parameters: dict[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its status, its body as text or as what becomes JSON, and its headers."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A request that gets an error answer."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.reply = Reply(status, body, dict(headers or {}))


class VendorServer(ABC):
    """Answers requests one after another; `faults` are used up by the next requests, one each.

    A fault is a status (429, 500, …), `drop` (the connection ends within the body), `garbage` (a page of HTML with
    status 200), a dict (JSON of another shape), or None for none.
    """

    def __init__(self, clock: MovedClock | None = None) -> None:
        self.clock = clock or MovedClock()
        self.faults: deque[str | int | dict[str, Any] | None] = deque()
        self.requests: list[Asked] = []
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @abstractmethod
    def reply(self, asked: Asked) -> Reply:
        """Return the answer to a request; `Refused` is one too."""

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def asked(self, path: str) -> list[dict[str, str]]:
        """Return the parameters of the requests whose path begins so, in order."""
        return [asked.parameters for asked in self.requests if asked.path.startswith(path)]

    @contextmanager
    def serving(self) -> Iterator[Self]:
        """Listen until the end of the block."""
        self._thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()
            self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # headers and body leave together, or each answer waits for an acknowledgement

            def do_GET(self) -> None:
                server.answer(self)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.answer(self)

            def log_message(self, *arguments: object) -> None:
                return

        return Handler

    def answer(self, connection: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        address = urlsplit(connection.path)
        parameters = {name: values[-1] for name, values in parse_qs(address.query).items()}
        asked = Asked(address.path, parameters, {k.lower(): v for k, v in connection.headers.items()})
        with self._lock:
            self.requests.append(asked)
            fault = self.faults.popleft() if self.faults else None
            reply = self._reply(asked, fault)
        _send(connection, reply, fault)

    def _reply(self, asked: Asked, fault: object) -> Reply:
        if isinstance(fault, int):
            return Reply(fault, {"message": HTTPStatus(fault).phrase})
        if isinstance(fault, dict):
            return Reply(HTTPStatus.OK, fault)
        try:
            return self.reply(asked)
        except Refused as refused:
            return refused.reply


def _send(connection: BaseHTTPRequestHandler, reply: Reply, fault: object) -> None:
    text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
    content = GARBAGE if fault == "garbage" else text.encode()
    connection.send_response(reply.status)
    for name, value in {"Content-Type": "application/json; charset=UTF-8", **reply.headers}.items():
        connection.send_header(name, value)
    connection.send_header("Content-Length", str(len(content)))
    connection.end_headers()
    if fault == "drop":
        connection.wfile.write(content[: len(content) // 2])
        connection.wfile.flush()
        connection.close_connection = True
        return
    connection.wfile.write(content)
