"""The edge: the outermost layer of every server. It decides who comes in, how much, how long, and what errors say."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from os import urandom
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from investlab.api.answers import printable, route_of
from investlab.api.bodies import Receive, again, json_body
from investlab.api.exchange import Exchange, Scope, Send
from investlab.api.policy import READING, EdgePolicy
from investlab.api.security import Headers, head_of, identify, require_host, require_origin
from investlab.api.translation import unexpected
from investlab.core.clock import Clock, SystemClock
from investlab.core.errors import Busy, Forbidden, InvestlabError, Unauthorized
from investlab.core.tls import came_over_tls
from investlab.services.refusals import Note, Refused

App = Callable[[Any, Any, Any], Awaitable[None]]
MARK = "investlab.edge"
TOKEN_PARAMETER = "token"  # noqa: S105  (the name of it)
SEE_OTHER = 303

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_log = logging.getLogger(__name__)


class Edge:
    """Wraps an ASGI application; of several around each other only the outermost acts.

    Requests get an id, are let in by credential, origin and host name, and are limited in length, depth and time.
    Whatever goes wrong below is answered with an `ErrorResponse`. An error that cannot pass through a framework can be
    left in the scope's state under `exchange.ERROR_STATE`.
    """

    def __init__(
        self, app: App, *, policy: EdgePolicy, clock: Clock | None = None, note_refused: Note | None = None
    ) -> None:
        self._app = app
        self._policy = policy
        self._clock = clock or SystemClock()
        self._note_refused = note_refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket") or MARK in scope:
            await self._app(scope, receive, send)
            return
        scope[MARK] = True
        exchange = Exchange(scope, send, request_id(scope), self._clock)
        scope.setdefault("state", {})["request_id"] = exchange.id
        try:
            await self._guarded(exchange, receive)
        finally:
            self._report(exchange)

    async def _guarded(self, exchange: Exchange, receive: Receive) -> None:
        try:
            if exchange.is_socket:
                await self._connect(exchange, receive)
            else:
                await self._respond(exchange, receive)
            await exchange.complete()
        except InvestlabError as error:
            if exchange.begun or error.status >= InvestlabError.status:
                trace = error if error.status == InvestlabError.status else None
                _log.error("%s: %s", exchange.id, error.sentence, exc_info=trace)
            await exchange.fail(error)
        except Exception as error:  # noqa: BLE001  (the last resort: nobody outside sees what happened inside)
            _log.error("%s: unexpected error", exchange.id, exc_info=error)
            await exchange.fail(unexpected())

    async def _respond(self, exchange: Exchange, receive: Receive) -> None:
        timer = asyncio.timeout(self._policy.deadline_seconds)
        try:
            async with timer:
                await self._admit(exchange, receive)
        except TimeoutError as error:
            if not timer.expired():
                raise
            raise Busy(
                f"The answer took longer than {self._policy.deadline_seconds:g} s.", remedy="Ask for less at once."
            ) from error

    async def _admit(self, exchange: Exchange, receive: Receive) -> None:
        scope = exchange.scope
        headers = head_of(scope["headers"])
        require_host(self._policy, headers)
        if scope["method"] == "GET" and b"token=" in scope["query_string"] and await self._sign_in(exchange):
            return
        if not self._policy.is_open(scope["method"], scope["path"]):
            means = identify(self._policy, headers)
            require_origin(self._policy, headers, means, needed=scope["method"] not in READING)
        if self._policy.is_open(scope["method"], scope["path"]):
            receive = again(b"", receive)  # nothing that anyone may ask takes a body, so none is read
        elif b"content-length" in headers or b"transfer-encoding" in headers:
            body = await json_body(headers, receive, self._policy.max_body_bytes)
            if body is None:
                exchange.begun = True  # nobody is there to be answered
                return
            receive = again(body, receive)
        await self._app(scope, receive, exchange.send)

    async def _connect(self, exchange: Exchange, receive: Receive) -> None:
        headers: Headers = head_of(exchange.scope["headers"])
        require_host(self._policy, headers)
        require_origin(self._policy, headers, identify(self._policy, headers), needed=True)
        await self._app(exchange.scope, receive, exchange.send)

    async def _sign_in(self, exchange: Exchange) -> bool:
        """Answer a page address that carries the token with the cookie and the clean address.

        Raises:
            Unauthorized: The token is wrong.
        """
        scope = exchange.scope
        given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        tokens = [value for name, value in given if name == TOKEN_PARAMETER]
        if not tokens:
            return False
        if len(tokens) > 1 or not self._policy.credentials.accepts_token(tokens[0]):
            raise Unauthorized("The access token is wrong.", remedy="Open the address that was printed at the start.")
        rest = urlencode([pair for pair in given if pair[0] != TOKEN_PARAMETER])
        path = "/" + quote(scope["path"].lstrip("/\\"))  # `//host` would lead to another host
        cookie = self._policy.credentials.set_cookie(secure=self._is_secure(scope))
        headers = [
            (b"location", (f"{path}?{rest}" if rest else path).encode("ascii")),
            (b"set-cookie", cookie.encode("ascii")),
            (b"content-length", b"0"),
        ]
        await exchange.answer(SEE_OTHER, headers, b"")
        return True

    def _is_secure(self, scope: Scope) -> bool:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        return scope.get("scheme") == "https" or came_over_tls(
            self._policy.origins,
            origin=headers.get(b"origin", ""),
            host=headers.get(b"host", ""),
            forwarded=headers.get(b"x-forwarded-proto", ""),
        )

    def _report(self, exchange: Exchange) -> None:
        """Log the request; refusals and failures are warnings, so that they are seen at the default level."""
        refused = exchange.status in (Unauthorized.status, Forbidden.status)
        scope = exchange.scope
        if refused and self._note_refused is not None:
            client = scope["client"][0] if scope.get("client") else None
            path = printable(self._policy.credentials.redacted(scope["path"]))
            self._note_refused(Refused(client, path, exchange.status))
        level = logging.WARNING if refused or exchange.status >= InvestlabError.status else logging.INFO
        if _log.isEnabledFor(level):
            method = "WS" if exchange.is_socket else scope["method"]
            spent = (perf_counter() - exchange.started) * 1000
            route = self._policy.credentials.redacted(route_of(scope))
            _log.log(level, "%s %s %d %.1f ms %s", method, route, exchange.status, spent, exchange.id)


def request_id(scope: Scope) -> str:
    """Return the request's own id when it is well formed, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            found: str = value.decode("ascii")
            return found
    return urandom(16).hex()
