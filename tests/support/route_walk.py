"""A walk over every route of an application behind the edge: nothing open, no undeclared method, every error provoked.

The application may be the REST app alone or the whole gateway, asked in memory or over a socket: see `Ask`.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.routing import Mount, Route, WebSocketRoute

from investlab.api.policy import EdgePolicy
from investlab.core.errors import Busy
from investlab.schemas.errors import ErrorResponse
from tests.support.asgi import Failing, request, upgrade

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
FIRST_ERROR = 400
JSON = {"content-type": "application/json"}
UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered to one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def require_problem(self, status: int, context: str) -> ErrorResponse:
        """Return the answer as an error response of that status, or fail."""
        assert self.status == status, f"{context}: {self.status} instead of {status}: {self.body[:300]!r}"
        assert self.headers["content-type"] == "application/problem+json", context
        found = ErrorResponse.model_validate_json(self.body)
        assert found.status == status, context
        assert found.request_id == self.headers["x-request-id"], context
        return found


class Ask(Protocol):
    """Sends one request without a credential of its own and returns the reply."""

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """Return the reply."""
        ...


def asking(app: Any) -> Ask:
    """Return an `Ask` that calls an application in memory."""

    def ask(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        plain, _, query = path.partition("?")
        if "upgrade" in headers:
            answer = upgrade(app, plain, headers, query=query)
            return Reply(answer.status, answer.headers, answer.body)
        answer = request(app, method, plain, headers, query=query, chunks=[body] if body else [])
        return Reply(answer.status, answer.headers, b"" if method == "HEAD" else answer.body)

    return ask


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route: a path with the methods it takes and the error statuses it declares, or a WebSocket."""

    path: str
    methods: frozenset[str]
    declared: frozenset[int]
    route: Any

    @property
    def is_socket(self) -> bool:
        return isinstance(self.route, WebSocketRoute)


def endpoints(app: Any, prefix: str = "") -> list[Endpoint]:
    """List every route of an application, of what is mounted in it and of routers included in it."""
    return list(_endpoints(app.routes, prefix))


def _endpoints(routes: Iterable[Any], prefix: str) -> Iterator[Endpoint]:
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _endpoints(inner.routes, prefix + getattr(route.include_context, "prefix", ""))
        elif isinstance(route, Mount):
            yield from _endpoints(getattr(route.app, "routes", ()), prefix + route.path)
        elif isinstance(route, Route):
            declared = {int(status) for status in getattr(route, "responses", {}) if int(status) >= FIRST_ERROR}
            yield Endpoint(prefix + route.path, frozenset(route.methods or ()), frozenset(declared), route)
        elif isinstance(route, WebSocketRoute):
            yield Endpoint(prefix + route.path, frozenset(), frozenset(), route)


Provocation = Callable[["Walk"], Reply]


@dataclass(slots=True)
class Walk:
    """What a walk needs: how to ask, the policy in force, and an example for each parameter of a path.

    `provocations` say how a declared error is brought about, by method, path and status; those that every route
    shares (host, credential, origin, body, failure) are built in.
    """

    ask: Ask
    policy: EdgePolicy
    found: list[Endpoint]
    examples: Mapping[str, str] = field(default_factory=dict)
    provocations: Mapping[tuple[str, str, int], Provocation] = field(default_factory=dict)

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.policy.credentials.token}"}

    @property
    def http(self) -> list[Endpoint]:
        return [endpoint for endpoint in self.found if not endpoint.is_socket]

    @property
    def sockets(self) -> list[Endpoint]:
        return [endpoint for endpoint in self.found if endpoint.is_socket]

    def address(self, endpoint: Endpoint) -> str:
        """Return the endpoint's path with examples in it."""
        path = endpoint.path
        for name, value in self.examples.items():
            path = path.replace(f"{{{name}}}", value)
        assert "{" not in path, f"{endpoint.path} has a parameter without an example"
        return path

    def require_credentials(self) -> None:
        """Check that nobody anonymous gets anywhere but to the allow-list."""
        for endpoint in self.http:
            for method in sorted(endpoint.methods):
                path = self.address(endpoint)
                reply = self.ask(method, path, {}, b"{}" if method == "POST" else b"")
                if not self.policy.is_open(method, path):
                    assert reply.status == 401, f"{method} {path} is open: {reply.status}"
                    if method != "HEAD":
                        reply.require_problem(401, f"{method} {path}")
        for endpoint in self.sockets:
            path = self.address(endpoint)
            self.ask("GET", path, UPGRADE).require_problem(401, f"stream {path}")
            cookie = {"cookie": f"{self.policy.credentials.cookie_name}={self.policy.credentials.cookie_value}"}
            for origin in ({}, {"origin": "http://evil.example"}):
                self.ask("GET", path, UPGRADE | cookie | origin).require_problem(403, f"stream {path} {origin}")

    def refuse_undeclared_methods(self) -> None:
        """Check that every method a path does not declare is refused, and that the answer says what it takes."""
        taken: dict[str, set[str]] = {}
        for endpoint in self.http:
            taken.setdefault(self.address(endpoint), set()).update(endpoint.methods)
        for path, methods in taken.items():
            for method in sorted(set(METHODS) - methods):
                reply = self.ask(method, path, self.bearer)
                assert reply.status == 405, f"{method} {path}: {reply.status}"
                assert set(reply.headers["allow"].split(", ")) <= methods, path
                if method != "HEAD":
                    reply.require_problem(405, f"{method} {path}")

    def refuse_unknown_paths(self) -> None:
        """Check that addresses that do not exist are said so, whatever they look like."""
        for path in ("/nothing", "/v1", "/v1/", "/v1/nothing", "/v1/models/", "/%2e%2e/etc/passwd", "/v1//runs"):
            self.ask("GET", path, self.bearer).require_problem(404, path)

    def survive_failures(self) -> None:
        """Check that a failure inside any route shows nothing of the inside."""
        for endpoint in self.http:
            with broken(endpoint, RuntimeError("secret-of-the-inside")):
                for method in sorted(endpoint.methods - {"HEAD"}):
                    reply = self.ask(method, self.address(endpoint), self.bearer)
                    reply.require_problem(500, f"{method} {endpoint.path}")
                    assert b"secret" not in reply.body

    def provoke_declared_errors(self) -> int:
        """Check that every declared error has a provocation that brings it about; return how many there were."""
        missing, count = [], 0
        for endpoint in self.http:
            for method in sorted(endpoint.methods - {"HEAD"}):
                for status in sorted(endpoint.declared):
                    provoke = self.provocations.get((method, endpoint.path, status))
                    provoke = provoke or shared_provocation(method, endpoint, status)
                    if provoke is None:
                        missing.append(f"{method} {endpoint.path} {status}")
                        continue
                    provoke(self).require_problem(status, f"{method} {endpoint.path}")
                    count += 1
        assert not missing, f"declared but never provoked: {', '.join(missing)}"
        return count

    def refuse_undeclared_provocations(self) -> None:
        """Check that no provocation is left over from a route or status that is gone."""
        declared = {(m, e.path, status) for e in self.http for m in e.methods for status in e.declared}
        assert set(self.provocations) <= declared, set(self.provocations) - declared


@contextmanager
def broken(endpoint: Endpoint, error: BaseException) -> Iterator[None]:
    """Let a route fail while the context lasts."""
    whole = endpoint.route.app
    endpoint.route.app = Failing(error)
    try:
        yield
    finally:
        endpoint.route.app = whole


def asked(
    method: str, path: str, body: object = None, around: AbstractContextManager[Any] | None = None
) -> Provocation:
    """Return a provocation that asks with the token, inside a context if one is given."""

    def provoke(walk: Walk) -> Reply:
        content = b"" if body is None else json.dumps(body).encode()
        headers = walk.bearer | (JSON if content else {})
        if around is None:
            return walk.ask(method, path, headers, content)
        with around:
            return walk.ask(method, path, headers, content)

    return provoke


def shared_provocation(method: str, endpoint: Endpoint, status: int) -> Provocation | None:
    """Return the provocation of an error that every route can answer with."""

    def provoke(headers: Mapping[str, str], body: bytes = b"") -> Provocation:
        return lambda walk: walk.ask(method, walk.address(endpoint), {**walk.bearer, **headers}, body)

    def failing(walk: Walk) -> Reply:
        error = Busy("Later.") if status == Busy.status else RuntimeError("broken")
        with broken(endpoint, error):
            return walk.ask(method, walk.address(endpoint), walk.bearer)

    def too_long(walk: Walk) -> Reply:
        body = b" " * (walk.policy.max_body_bytes + 1)
        return walk.ask(method, walk.address(endpoint), walk.bearer | JSON, body)

    return {
        400: provoke({"host": "evil.example"}),
        401: lambda walk: walk.ask(method, walk.address(endpoint), {}),
        403: provoke({"origin": "http://evil.example"}),
        413: too_long,
        415: provoke({"content-type": "application/vnd.bentoml+pickle"}, b"x"),
        500: failing,
        503: failing,
    }.get(status)
