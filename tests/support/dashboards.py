"""The dashboards server on a thread of its own, showing a state that the test made."""

import asyncio
import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bokeh.server.server import BaseServer
from pydantic import SecretStr
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from investlab.core.config import Settings
from investlab.core.credentials import Credentials
from investlab.core.ports import listen, port_of
from investlab.services.workspace import open_workspace, silent_progress
from investlab.views.server import Dashboards, build_application, open_desk
from investlab.views.state import MarketState

TOKEN = "a-token-for-tests-0123456789"
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """What the server sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Running:
    """A running server and how to speak to it."""

    port: int
    credentials: Credentials
    application: Dashboards
    shown: list[MarketState] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def page_url(self) -> str:
        return f"{self.url}/market?token={TOKEN}"

    @property
    def cookie(self) -> dict[str, str]:
        return {"Cookie": f"{self.credentials.cookie_name}={self.credentials.cookie_value}"}

    def ask(self, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET") -> Answer:
        """Send one request as it is written, without following anything."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            given = dict(headers or {})
            connection.putrequest(method, path, skip_host="Host" in given, skip_accept_encoding=True)
            for name, value in given.items():
                connection.putheader(name, value)
            connection.endheaders()
            found = connection.getresponse()
            return Answer(found.status, {k.lower(): v for k, v in found.getheaders()}, found.read())
        finally:
            connection.close()

    def resources(self, page: str) -> list[str]:
        """Return the addresses that a page's HTML asks for, those of its modules too."""
        return list(dict.fromkeys(re.findall(r'(?:src|href)="(/(?:assets|static)/[^"]+)"', page)))


@contextmanager
def running_dashboards(
    home: Path, read: Callable[[], MarketState], *, gateway_url: str | None = None, pages: Path | None = None
) -> Iterator[Running]:
    """Run the server while the context lasts."""
    listening = listen("127.0.0.1", 0, 0)
    settings = Settings(
        home=home,
        token=SecretStr(TOKEN),
        gateway_url=gateway_url,
        dashboards=pages or ROOT / "dashboards",
    )
    workspace = open_workspace(settings=settings, progress=silent_progress)
    desk = open_desk(workspace, lambda context: read())
    ready, loops, failures = threading.Event(), list[asyncio.AbstractEventLoop](), list[Exception]()
    stopping: list[asyncio.Event] = []
    found: list[Dashboards] = []

    async def run() -> None:
        application = build_application(settings, desk, port_of(listening))
        server = HTTPServer(application)
        bokeh_server = BaseServer(IOLoop.current(), application, server)
        listening.setblocking(False)
        server.add_socket(listening)
        bokeh_server.start()
        stop = asyncio.Event()
        loops.append(asyncio.get_running_loop())
        stopping.append(stop)
        found.append(application)
        ready.set()
        await stop.wait()
        await bokeh_server.stop_async()
        await server.close_all_connections()

    def work() -> None:
        try:
            asyncio.run(run())
        except Exception as error:  # noqa: BLE001  (raised again by the test that waits)
            failures.append(error)
            ready.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        assert ready.wait(PATIENCE_SECONDS)
        if failures:
            raise failures[0]
        yield Running(port_of(listening), Credentials.of(TOKEN, settings.home_path), found[0])
    finally:
        if loops:
            loops[0].call_soon_threadsafe(stopping[0].set)
        thread.join(PATIENCE_SECONDS)
        listening.close()
        workspace.close()
