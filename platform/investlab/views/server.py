"""The dashboards server: Panel pages behind one gate, on a socket that someone else bound."""

import asyncio
import gc
import hashlib
import logging
import runpy
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import panel as pn
from bokeh.application.handlers import FunctionHandler
from bokeh.document import Document
from bokeh.resources import Resources
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from panel.io.application import Application
from panel.io.state import set_curdoc
from panel.template.base import BaseTemplate
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.web import GZipContentEncoding, HTTPError, RequestHandler

from investlab.core.config import Settings
from investlab.core.credentials import Credentials, new_token
from investlab.core.errors import Forbidden, InvalidSettings, InvestlabError, NotFound, Unauthorized
from investlab.core.ports import port_of
from investlab.services.context import Context
from investlab.services.refusals import RefusalLog, Refused
from investlab.services.workspace import Workspace, open_workspace
from investlab.views import assets
from investlab.views.desk import Desk, Page
from investlab.views.dressing import dressing
from investlab.views.gate import Gate, SignIn
from investlab.views.keeper import Keeper
from investlab.views.market import MarketDrawer
from investlab.views.policy import allowed_hosts, security_headers, stream_sources
from investlab.views.reading import read_market
from investlab.views.routes import Refusal, SignInRedirect, own_routes
from investlab.views.state import MarketState

HOME_PAGE = "/market"
UNUSED_SESSION_MS = 30_000
TOKEN_SECONDS = 30 * 24 * 3600
"""A page may stay open so long and still connect again; its token opens nothing without the cookie."""
LARGEST_BODY = 64 * 2**10
COMPONENTS = ("bokeh", "bokeh-widgets", "bokeh-tables")
"""The parts of BokehJS that Panel pages may load; MathJax and WebGL are not among them."""

logger = logging.getLogger(__name__)


class Dashboards(BokehTornado):  # type: ignore[misc]  # Bokeh's types are not read
    """Bokeh's application behind the gate: what the gate refuses reaches no handler of Bokeh or Panel."""

    def __init__(
        self, applications: Mapping[str, Application], gate: Gate, refusals: RefusalLog, **options: Any
    ) -> None:
        self._gate = gate
        self._refusals = refusals
        super().__init__(dict(applications), **options)

    def find_handler(self, request: HTTPServerRequest, **options: Any) -> HTTPMessageDelegate:
        """Return what answers a request."""
        verdict = self._gate.judge(request)
        if verdict is None:
            return cast("HTTPMessageDelegate", super().find_handler(request, **options))
        if isinstance(verdict, SignIn):
            arguments = {"location": verdict.location, "cookie": verdict.cookie}
            return self._answer(request, SignInRedirect, arguments)
        return self._answer(request, Refusal, {"error": verdict})

    def resources(self, absolute_url: str | bool | None = None) -> Resources:
        """Return the parts of BokehJS that pages load."""
        found = super().resources(absolute_url)
        found.components = [name for name in found.components if name in COMPONENTS]
        return found

    def _answer(
        self, request: HTTPServerRequest, handler: type[RequestHandler], arguments: Mapping[str, object]
    ) -> HTTPMessageDelegate:
        return cast("HTTPMessageDelegate", self.get_handler_delegate(request, handler, dict(arguments)))

    def log_request(self, handler: Any) -> None:
        """Log requests without their query, which may hold a token; refusals are seen at the default level."""
        request, status = handler.request, handler.get_status()
        path = self._gate.credentials.redacted(unquote(request.path))
        refused = status in (Unauthorized.status, Forbidden.status)
        if refused:
            self._refusals.note(Refused(request.remote_ip, path, status))
        plain = path.encode("unicode_escape").decode("ascii")
        logger.log(logging.WARNING if refused else logging.INFO, "%s %s %s", status, request.method, plain)

    def close(self) -> None:
        """Write down what was refused last."""
        self._refusals.close()


def load_pages(folder: Path) -> dict[str, Page]:
    """Return the pages of a folder by address: each file's function `page`, called once for each visitor.

    Raises:
        NotFound: The folder has no pages.
        InvalidSettings: A file has no function `page`.
    """
    pages: dict[str, Page] = {}
    for path in sorted(folder.glob("*.py")):
        found = runpy.run_path(str(path)).get("page")
        if not callable(found):
            raise InvalidSettings(
                f"The dashboard {path} has no function `page`.", remedy="Define `def page(desk): ...` in it."
            )
        pages[f"/{path.stem}"] = cast("Page", found)
    if not pages:
        raise NotFound(
            f"There are no dashboard pages in {folder}.", remedy="Set INVESTLAB_DASHBOARDS to the folder that has them."
        )
    return pages


def open_desk(workspace: Workspace, read: Callable[[Context], MarketState] = read_market) -> Desk:
    """Return the desk of a workspace."""
    return Desk(workspace, Keeper(MarketDrawer(lambda: read(workspace.context))))


def build_application(settings: Settings, desk: Desk, port: int) -> Dashboards:
    """Return the server's application for a port: its pages and own addresses, behind the gate.

    Raises:
        NotFound: There are no dashboard pages.
        InvalidSettings: A file of the dashboards folder is no page.
    """
    token = settings.token.get_secret_value() if settings.token is not None else new_token()
    credentials = Credentials.of(token, settings.home_path)
    context = desk.workspace.context
    hosts = allowed_hosts(settings, port)
    pages = load_pages(settings.dashboards.expanduser().absolute())
    home = HOME_PAGE if HOME_PAGE in pages else next(iter(pages))
    headers = security_headers(stream_sources(settings.gateway_url))
    return Dashboards(
        {address: _application(page, desk) for address, page in pages.items()},
        Gate(credentials, hosts, settings.stated_origins),
        RefusalLog(context.database, context.clock, server="dashboards"),
        extra_patterns=list(own_routes(desk, home)),
        extra_websocket_origins=sorted(hosts),
        use_index=False,
        secret_key=hashlib.sha256(f"sessions:{token}".encode()).digest(),
        sign_sessions=True,
        session_token_expiration=TOKEN_SECONDS,
        unused_session_lifetime_milliseconds=UNUSED_SESSION_MS,
        include_headers=[],
        include_cookies=[],
        ico_path="none",
        transforms=[dressing(headers), GZipContentEncoding],
    )


def serve(settings: Settings, listening: socket.socket) -> None:
    """Serve the dashboards on a bound socket until SIGTERM or SIGINT.

    Raises:
        NotFound: There are no dashboard pages.
    """
    workspace = open_workspace(settings=settings)
    desk = open_desk(workspace)
    try:
        asyncio.run(_serve(build_application(settings, desk, port_of(listening)), desk, listening))
    finally:
        workspace.close()


async def _serve(application: Dashboards, desk: Desk, listening: socket.socket) -> None:
    loop = IOLoop.current()
    _warm(desk)
    server = HTTPServer(application, max_body_size=LARGEST_BODY, idle_connection_timeout=120)
    bokeh_server = BaseServer(loop, application, server)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    listening.setblocking(False)
    server.add_socket(listening)
    bokeh_server.start()
    await stopping.wait()
    await bokeh_server.stop_async()
    await server.close_all_connections()
    application.close()


def _warm(desk: Desk) -> None:
    """Make what the first visitor would wait for; what is in the way now is told to whoever opens the page.

    What is loaded by now stays for good: the collector need not look at it again, nor at the end of the process, which
    would take seconds.
    """
    assets.version()
    try:
        desk.market.fresh()
    except InvestlabError as error:
        logger.warning("The market cannot be shown yet: %s", error.sentence)
    gc.collect()
    gc.freeze()


def _application(page: Page, desk: Desk) -> Application:
    """Return what makes a visitor's page; a page that cannot be made is an error, never an empty page.

    Bokeh makes it on a worker thread, so that reading the stores holds up nobody else.
    """

    def make(document: Document) -> None:
        with set_curdoc(document):
            try:
                found = page(desk)
                shown: Any = found if isinstance(found, BaseTemplate) else pn.panel(found)
                shown.server_doc(doc=document, title="investlab", location=False)
            except InvestlabError as error:
                logger.error("A page could not be made: %s", error.sentence)
                raise HTTPError(error.status) from error

    return Application(FunctionHandler(make))
