"""What every answer of the server wears: security headers, and errors in the platform's one shape."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform

from investlab.schemas.errors import error_response
from investlab.views.answers import PROBLEM, error_of, error_page, is_sign_in, wants_page

REFUSED = "investlab_refused"
"""Where a request carries the error that it was refused for."""


def dressing(headers: Mapping[str, str]) -> type[OutputTransform]:
    """Return the transform that dresses answers; Tornado makes one of it for each request."""

    class Dressing(OutputTransform):
        def __init__(self, request: HTTPServerRequest) -> None:
            super().__init__(request)
            self._request = request

        def transform_first_chunk(
            self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
        ) -> tuple[int, HTTPHeaders, bytes]:
            headers.pop("Server", None)
            for name, value in given.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
            if status_code >= HTTPStatus.BAD_REQUEST:
                chunk = _problem(self._request, status_code, headers)
            return status_code, headers, chunk

    given = dict(headers)
    return Dressing


def _problem(request: HTTPServerRequest, status: int, headers: HTTPHeaders) -> bytes:
    error = getattr(request, REFUSED, None) or error_of(status)
    problem = error_response(
        error, request_id=f"rq-{secrets.token_hex(8)}", instance=request.path[:256], at=datetime.now(UTC)
    ).model_copy(update={"status": status})
    for name in ("Etag", "Content-Encoding", "Last-Modified", "Content-Range"):
        headers.pop(name, None)
    if wants_page(request):
        content = error_page(problem, signs_in=is_sign_in(error)).encode()
        headers["Content-Type"] = "text/html; charset=utf-8"
    else:
        content = problem.model_dump_json().encode()
        headers["Content-Type"] = PROBLEM
    headers["X-Request-Id"] = problem.request_id
    headers["Content-Length"] = str(len(content))
    headers["Cache-Control"] = "no-store"
    return content
