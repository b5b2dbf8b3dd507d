"""The server's own addresses: liveness, assets, the state of the market page, traces."""

from typing import Any

from tornado.ioloop import IOLoop
from tornado.web import RequestHandler

from investlab.charts.embed import card
from investlab.charts.facts import heading
from investlab.charts.markup import Html, element
from investlab.charts.pages import page
from investlab.core.errors import InvestlabError, NotFound
from investlab.services.tracing import trace_record
from investlab.services.workspace import Workspace
from investlab.views import assets
from investlab.views.desk import Desk
from investlab.views.dressing import REFUSED

YEAR_SECONDS = 365 * 24 * 3600
LONGEST_ID = 128
TRACE_STYLE = element("style", Html(".il-card .il-trace td{white-space:normal}.il-trace td:nth-child(3){width:60%}"))
Route = tuple[str, type[RequestHandler], dict[str, Any]]


class Answer(RequestHandler):
    """An address that only gives; errors leave in the platform's shape."""

    SUPPORTED_METHODS: tuple[str, ...] = ("GET", "HEAD")

    def refuse(self, error: InvestlabError) -> None:
        """Answer with an error."""
        setattr(self.request, REFUSED, error)
        self.set_status(error.status)
        self.finish()

    def head(self, *arguments: str) -> Any:
        """Answer as to GET, without the body."""
        return self.get(*arguments)


class Refusal(Answer):
    """Answers a request that the gate did not let pass, whatever its method."""

    SUPPORTED_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

    def initialize(self, error: InvestlabError) -> None:
        """Take the reason."""
        self._error = error

    def prepare(self) -> None:
        """Answer before anything else is looked at."""
        self.refuse(self._error)


class SignInRedirect(Answer):
    """Leads from an address with the access token to the same one without it."""

    def initialize(self, location: str, cookie: str) -> None:
        """Take where to lead, and the cookie that signs in."""
        self._location, self._cookie = location, cookie

    def get(self) -> None:
        """Answer 303."""
        self.set_status(303)
        self.set_header("Location", self._location)
        self.set_header("Set-Cookie", self._cookie)


class Livez(Answer):
    """Says that the process answers."""

    def get(self) -> None:
        """Answer 200."""
        self.write({"status": "ok"})


class Home(Answer):
    """Leads to the market page."""

    def initialize(self, location: str) -> None:
        """Take where to lead."""
        self._location = location

    def get(self) -> None:
        """Answer 302."""
        self.redirect(self._location)


class AssetFile(Answer):
    """Sends the page's scripts and styles, packed beforehand; their addresses change with their content."""

    def get(self, name: str) -> None:
        """Answer with the file."""
        try:
            found = assets.asset(name)
        except NotFound as error:
            self.refuse(error)
            return
        self.set_header("Content-Type", found.content_type)
        self.set_header("Etag", f'"{found.tag}"')
        self.set_header("Cache-Control", f"private, max-age={YEAR_SECONDS}, immutable")
        self.set_header("Vary", "Accept-Encoding")
        if self.check_etag_header():
            self.set_status(304)
        elif "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            self.write(found.packed)
        else:
            self.write(found.plain)


class PageState(Answer):
    """Sends the market page's state as JSON, for pages that were away."""

    def initialize(self, desk: Desk) -> None:
        """Take who keeps the state."""
        self._market = desk.market

    async def get(self) -> None:
        """Answer with the state."""
        try:
            drawn = await IOLoop.current().run_in_executor(None, self._market.fresh)
        except InvestlabError as error:
            self.refuse(error)
            return
        self.set_header("Content-Type", "application/json")
        self.write(drawn.state.model_dump_json())


class TracePage(Answer):
    """Shows what a number stands on, back to the data and the code."""

    def initialize(self, desk: Desk) -> None:
        """Take the workspace whose records are traced."""
        self._workspace = desk.workspace

    async def get(self, record_id: str) -> None:
        """Answer with the lineage of a record."""
        if len(record_id) > LONGEST_ID:
            self.refuse(NotFound("There is no record of such a long id."))
            return
        try:
            html = await IOLoop.current().run_in_executor(None, trace_page, self._workspace, record_id)
        except InvestlabError as error:
            self.refuse(error)
            return
        self.write(html)


def trace_page(workspace: Workspace, record_id: str) -> str:
    """Return a page with the lineage of a record.

    Raises:
        InvestlabError: There is no such record, or several.
    """
    trace = trace_record(workspace.context, record_id)
    title = f"Trace of {trace.subject}"
    # A trace escapes what it shows.
    lineage = element("div", TRACE_STYLE, Html(trace._repr_html_()), class_="il-trace")
    back = element("p", element("a", "Back to the market", href="/market"), class_="il-under")
    return page(title, card(element("header", heading(title), back), lineage))


def own_routes(desk: Desk, home: str) -> list[Route]:
    """Return the server's own addresses with what answers them."""
    return [
        (r"/livez", Livez, {}),
        (r"/", Home, {"location": home}),
        (rf"{assets.PREFIX}[0-9a-f]+/([a-z.]+)", AssetFile, {}),
        (r"/state/market", PageState, {"desk": desk}),
        (r"/trace/([A-Za-z0-9@._-]+)", TracePage, {"desk": desk}),
    ]
