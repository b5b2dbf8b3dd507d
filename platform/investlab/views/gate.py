"""Who may come in: nothing is answered before the gate has looked at it."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from tornado.httputil import HTTPServerRequest

from investlab.core.credentials import Credentials
from investlab.core.errors import BadRequest, Forbidden, InvestlabError, Unauthorized
from investlab.core.tls import came_over_tls

OPEN_PATHS = frozenset({"/livez"})
"""The addresses that anyone may ask; every other one needs the cookie."""
TOKEN = "token"  # noqa: S105  (the name of a query argument)
SIGN_IN = "Open the address that “investlab up” printed, or give its access token here."


@dataclass(frozen=True, slots=True)
class SignIn:
    """A right token was in the address: go on there without it, with the cookie."""

    location: str
    cookie: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Gate:
    """Judges requests by host, origin and cookie; deny by default."""

    credentials: Credentials
    hosts: frozenset[str]
    origins: frozenset[str] = frozenset()

    def judge(self, request: HTTPServerRequest) -> InvestlabError | SignIn | None:
        """Return why a request is refused, how it signs in, or None when it may pass."""
        if self._is_foreign_host(request):
            return BadRequest("This host is not served here.", remedy="Use the address that “investlab up” printed.")
        if request.path in OPEN_PATHS:
            return None
        if _is_upgrade(request):
            return self._judge_upgrade(request)
        if self.credentials.accepts_cookie(request.headers.get("Cookie")) and TOKEN not in request.query_arguments:
            return None
        return self._sign_in(request)

    def _sign_in(self, request: HTTPServerRequest) -> InvestlabError | SignIn:
        given = request.query_arguments.get(TOKEN, [])
        if request.method != "GET" or len(given) != 1 or not self._is_token(given[0]):
            return Unauthorized("This page needs a sign-in.", remedy=SIGN_IN)
        rest = [(name, value) for name, value in parse_qsl(request.query, keep_blank_values=True) if name != TOKEN]
        path = "/" + request.path.lstrip("/\\")  # never `//host`, which would lead elsewhere
        secure = request.protocol == "https" or came_over_tls(
            self.origins,
            origin=request.headers.get("Origin", ""),
            host=request.headers.get("Host", ""),
            forwarded=request.headers.get("X-Forwarded-Proto", ""),
        )
        return SignIn(f"{path}?{urlencode(rest)}" if rest else path, self.credentials.set_cookie(secure=secure))

    def _is_token(self, given: bytes) -> bool:
        return self.credentials.accepts_token(given.decode("utf-8", "replace"))

    def _judge_upgrade(self, request: HTTPServerRequest) -> InvestlabError | None:
        if not self.credentials.accepts_cookie(request.headers.get("Cookie")):
            return Unauthorized("This connection needs a sign-in.", remedy=SIGN_IN)
        origin = urlsplit(request.headers.get("Origin", ""))
        if origin.scheme not in ("http", "https") or origin.netloc.lower() not in self.hosts:
            return Forbidden("A page of another origin, or of none, may not open this connection.")
        return None

    def _is_foreign_host(self, request: HTTPServerRequest) -> bool:
        given = request.headers.get_list("Host")
        return len(given) != 1 or given[0].strip().lower() not in self.hosts


def _is_upgrade(request: HTTPServerRequest) -> bool:
    return "upgrade" in request.headers or request.path.endswith("/ws")
