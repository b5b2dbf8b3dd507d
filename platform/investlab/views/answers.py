"""Errors as answers: the one ErrorResponse for apps, a page for people; both say what to do."""

from collections.abc import Mapping
from http import HTTPStatus

from tornado.httputil import HTTPServerRequest

from investlab.charts.markup import Html, element, join
from investlab.core.errors import (
    BadRequest,
    InvestlabError,
    MethodNotAllowed,
    NotFound,
    Unauthorized,
)
from investlab.schemas.errors import ErrorResponse
from investlab.views import assets

_KINDS: Mapping[int, tuple[type[InvestlabError], str]] = {
    HTTPStatus.BAD_REQUEST: (BadRequest, "The request cannot be read."),
    HTTPStatus.NOT_FOUND: (NotFound, "There is no such page."),
    HTTPStatus.METHOD_NOT_ALLOWED: (MethodNotAllowed, "This address does not take that method."),
}
PROBLEM = "application/problem+json"


def error_of(status: int) -> InvestlabError:
    """Return the error that a bare status stands for; none of its cause is told."""
    kind, sentence = _KINDS.get(status, (InvestlabError, "The page could not be made. The server's log says why."))
    return kind(sentence)


def wants_page(request: HTTPServerRequest) -> bool:
    """Say whether the asker is a browser that shows pages."""
    return "text/html" in request.headers.get("Accept", "")


def error_page(problem: ErrorResponse, *, signs_in: bool) -> str:
    """Return a page that says what went wrong; `signs_in` adds a field for the access token."""
    form = Html("")
    if signs_in:
        form = element(
            "form",
            element("label", "Access token", for_="token"),
            element("input", id="token", name="token", type="password", autocomplete="off", required="required"),
            element("button", "Sign in", type="submit"),
            method="get",
        )
    body = element(
        "main",
        element("p", "investlab", class_="il-brand"),
        element("h1", problem.title),
        element("p", problem.detail),
        form,
        element("p", element("code", problem.code), " ", element("code", problem.request_id), class_="il-codes"),
        class_="il-problem",
    )
    return plain_page(problem.title, body)


def is_sign_in(error: InvestlabError) -> bool:
    """Say whether signing in would help."""
    return isinstance(error, Unauthorized)


def plain_page(title: str, *content: Html) -> str:
    """Return a page in the house's style without scripts; styles are in it, since nothing else may be asked for."""
    style = element("style", Html(assets.asset("market.css").plain.decode()))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} · investlab"),
        element("link", rel="icon", type="image/svg+xml", href=assets.ICON),
        style,
    )
    return "<!doctype html>\n" + element("html", head, element("body", join(content)), lang="en")
